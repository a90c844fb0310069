//! A terminal with somebody in front of it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use crate::program;

/// How long the person looks before pressing `q`.
const LOOK: Duration = Duration::from_secs(2);

/// Both ends of a terminal of 120 columns: what its user has, and what the program gets.
fn pair() -> (File, OwnedFd) {
    let (mut user, mut program) = (0, 0);
    let size = libc::winsize { ws_row: 30, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: places to write two descriptors, and a size to read.
    let result = unsafe {
        libc::openpty(
            &raw mut user,
            &raw mut program,
            std::ptr::null_mut(),
            std::ptr::null(),
            &raw const size,
        )
    };
    assert_eq!(result, 0, "a terminal can be opened");
    // SAFETY: new descriptors, which nobody else has.
    unsafe { (File::from_raw_fd(user), OwnedFd::from_raw_fd(program)) }
}

/// Everything the program writes to its terminal until `q` has ended it. Cells are in the order in
/// which they were drawn, so only words are sure to be together.
pub(crate) fn screen_of(arguments: &[&str]) -> String {
    let (mut user, end) = pair();
    let mut command = program::command(arguments);
    command.stdin(end.try_clone().unwrap()).stdout(end.try_clone().unwrap()).stderr(end);
    let mut child = command.spawn().unwrap();
    // Its ends of the terminal are the child's alone now.
    drop(command);
    let mut keyboard = user.try_clone().unwrap();
    let typing = std::thread::spawn(move || {
        std::thread::sleep(LOOK);
        keyboard.write_all(b"q").unwrap();
    });
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    // The other end closed: an error here, not an end.
    while let Ok(count @ 1..) = user.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..count]);
    }
    typing.join().unwrap();
    let began = Instant::now();
    assert!(child.wait().unwrap().success(), "q ends it well");
    assert!(began.elapsed() < LOOK, "and at once");
    String::from_utf8_lossy(&seen).into_owned()
}
