use crate::fixture::Client;

#[test]
fn ping_and_echo_answer() {
    let mut client = Client::new();
    assert_eq!(client.ask("PING"), "+PONG|");
    assert_eq!(client.ask("ping hello"), "$5|hello|");
    assert_eq!(client.ask("ECHO hello"), "$5|hello|");
}

#[test]
fn what_is_no_command_is_told_in_the_words_of_redis() {
    let mut client = Client::new();
    let expected = "-ERR unknown command 'NoSuch', with args beginning with: 'a' 'b c' |";
    assert_eq!(client.ask("NoSuch a 'b c'"), expected);
    assert_eq!(client.ask("GET"), "-ERR wrong number of arguments for 'get' command|");
}

#[test]
fn strangers_are_asked_who_they_are() {
    let mut client = Client::new();
    client.session.is_authenticated = false;
    assert_eq!(client.ask("GET a"), "-NOAUTH Authentication required.|");
}
