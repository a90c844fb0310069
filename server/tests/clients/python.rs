//! redis-py.

use crate::fixture::{Server, python};

/// Runs a script with `r`, a client of the server. It prints `done` if it gets to its end.
fn with_client(server: &Server, script: &str) {
    let begin = "import sys, redis\nr = redis.Redis(port=int(sys.argv[1]))\n";
    let script = format!("{begin}{script}\nprint('done')\n");
    assert_eq!(python(&script, &[&server.port]), "done\n");
}

#[test]
#[ignore = "needs python3-redis"]
fn redis_py_reads_and_writes_keys() {
    let script = "
assert r.ping()
assert r.set('a', 'one') and r.get('a') == b'one'
assert r.set('a', 'two', nx=True) is None
assert r.set('a', 'two', xx=True)
assert r.mset({'b': 1, 'c': 2}) and r.mget('a', 'b', 'none') == [b'two', b'1', None]
assert r.incr('b', 5) == 6 and r.append('a', '!') == 4 and r.strlen('a') == 4
assert r.exists('a', 'b', 'none') == 2 and r.delete('a', 'none') == 1
assert r.dbsize() == 2 and r.flushall() and r.dbsize() == 0";
    with_client(&Server::start(&[]), script);
}

#[test]
#[ignore = "needs python3-redis"]
fn redis_py_pipelines_and_scans() {
    let script = "
with r.pipeline(transaction=False) as p:
    for i in range(1000):
        p.set(f'key:{i:04}', i)
    assert all(p.execute())
assert sorted(r.scan_iter('key:09*', count=50)) == [b'key:%04d' % i for i in range(900, 1000)]
assert r.zrangebylex('keys', '[key:0990', '(key:0993') == [b'key:0990', b'key:0991', b'key:0992']";
    with_client(&Server::start(&[]), script);
}

#[test]
#[ignore = "needs python3-redis"]
fn redis_py_raises_what_the_server_says() {
    let script = "
r.set('text', 'x')
try:
    r.incr('text')
    raise SystemExit('it counts')
except redis.ResponseError as error:
    assert 'not an integer' in str(error), error
try:
    redis.Redis(port=int(sys.argv[1]), password='wrong').ping()
    raise SystemExit('any password does')
except (redis.AuthenticationError, redis.ResponseError):
    pass";
    with_client(&Server::start(&[]), script);
}
