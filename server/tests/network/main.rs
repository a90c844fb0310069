//! The server's program over real sockets: each body runs on io_uring and on epoll.

mod configured;
mod ended;
mod fixture;
#[cfg(feature = "kernel")]
mod kernel;
mod limited;
mod observed;
mod refused;
mod served;

/// A module of tests for each way sockets are used, of the same bodies.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod uring {
            $(#[test] fn $name() { super::$name("uring"); })+
        }
        mod epoll {
            $(#[test] fn $name() { super::$name("epoll"); })+
        }
    };
}
