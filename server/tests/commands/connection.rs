use crate::fixture::Client;

#[test]
fn ping_and_echo_answer() {
    Client::new().expect(&[
        ("PING", "+PONG|"),
        ("ping hello", "$5|hello|"),
        ("ECHO hello", "$5|hello|"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command|"),
    ]);
}

#[test]
fn what_is_no_command_is_told_in_the_words_of_redis() {
    Client::new().expect(&[
        ("NoSuch a 'b c'", "-ERR unknown command 'NoSuch', with args beginning with: 'a' 'b c' |"),
        ("GET", "-ERR wrong number of arguments for 'get' command|"),
        ("CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command|"),
        ("COMMAND COUNT a", "-ERR wrong number of arguments for 'command|count' command|"),
        ("CLIENT NoSuch", "-ERR unknown subcommand 'NoSuch'. Try CLIENT HELP.|"),
    ]);
}

#[test]
fn there_is_one_database() {
    Client::new().expect(&[
        ("SELECT 0", "+OK|"),
        ("SELECT 1", "-ERR DB index is out of range|"),
        ("SELECT x", "-ERR value is not an integer or out of range|"),
    ]);
}

#[test]
fn strangers_may_only_say_who_they_are() {
    let mut client = Client::new();
    client.session.is_authenticated = false;
    client.service.password = Some("secret".to_owned());
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.|";
    client.expect(&[
        ("GET a", "-NOAUTH Authentication required.|"),
        ("PING", "-NOAUTH Authentication required.|"),
        ("NoSuch", "-ERR unknown command 'NoSuch', with args beginning with: |"),
        ("AUTH wrong", wrong),
        ("AUTH secre", wrong),
        ("AUTH secrets", wrong),
        ("AUTH other secret", wrong),
        ("AUTH a b c", "-ERR syntax error|"),
        ("GET a", "-NOAUTH Authentication required.|"),
        ("AUTH secret", "+OK|"),
        ("GET a", "$-1|"),
        ("AUTH wrong", wrong),
    ]);
    assert!(client.ask("HELLO").contains("|proto|:2|"));
}

#[test]
fn hello_authenticates_and_names_and_knows_version_2_only() {
    let mut client = Client::new();
    client.session.is_authenticated = false;
    client.service.password = Some("secret".to_owned());
    assert!(client.ask("HELLO 2").starts_with("-NOAUTH HELLO must be called"));
    client.expect(&[
        ("HELLO 3", "-NOPROTO unsupported protocol version|"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range|"),
        ("HELLO 2 WHAT", "-ERR Syntax error in HELLO option 'WHAT'|"),
    ]);
    let reply = client.ask("HELLO 2 AUTH default secret SETNAME me");
    assert!(reply.starts_with("*14|$6|server|$8|revenant|"), "{reply}");
    assert_eq!(client.ask("CLIENT GETNAME"), "$2|me|");
}

#[test]
fn a_password_that_nobody_asked_for_is_an_error() {
    let reply = Client::new().ask("AUTH secret");
    assert!(reply.starts_with("-ERR AUTH <password> called without any password"), "{reply}");
}

#[test]
fn clients_tell_and_learn_about_themselves() {
    let mut client = Client::new();
    client.expect(&[
        ("CLIENT ID", ":1|"),
        ("CLIENT GETNAME", "$-1|"),
        ("CLIENT SETNAME a", "+OK|"),
        ("CLIENT GETNAME", "$1|a|"),
        (
            "CLIENT SETNAME 'a b'",
            "-ERR Client names cannot contain spaces, newlines or special characters.|",
        ),
        ("CLIENT SETINFO lib-name redis-py", "+OK|"),
        ("CLIENT SETINFO LIB-VER 5.0", "+OK|"),
        ("CLIENT SETINFO what 5.0", "-ERR Unrecognized option 'what'|"),
        (
            "CLIENT SETINFO LIB-VER 'a b'",
            "-ERR lib-ver cannot contain spaces, newlines or special characters.|",
        ),
        ("CLIENT NO-EVICT ON", "+OK|"),
        ("CLIENT NO-EVICT maybe", "-ERR syntax error|"),
    ]);
    assert_eq!(client.session.library_name, "redis-py");
}

#[test]
fn quit_and_shutdown_end_the_connection() {
    let mut client = Client::new();
    assert_eq!(client.ask("QUIT"), "+OK|");
    assert!(client.session.wants_close && !client.session.wants_shutdown);
    client.session.wants_close = false;
    assert_eq!(client.ask("SHUTDOWN what"), "-ERR syntax error|");
    assert!(!client.session.wants_close);
    assert_eq!(client.ask("SHUTDOWN NOSAVE"), "");
    assert!(client.session.wants_close && client.session.wants_shutdown);
}
