//! Failures on their way to JavaScript, and panics on their way to failures.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::{Code, Error};

/// A code such as `E_CLOSED` as the `code` of a thrown JavaScript error.
pub struct Thrown(&'static str);

impl AsRef<str> for Thrown {
    fn as_ref(&self) -> &str {
        self.0
    }
}

/// The failure as an error that is thrown.
pub fn thrown(error: Error) -> napi::Error<Thrown> {
    napi::Error::new(Thrown(error.code.as_str()), error.message)
}

/// Does what a call asks for; a panic becomes `E_INTERNAL`.
///
/// The engine catches the panics of its own calls, and refuses writes where one may have left something half done. This
/// is for the conversions around them, which leave nothing behind, hence the assertion.
pub fn guard<T>(work: impl FnOnce() -> engine::Result<T>) -> engine::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::new(Code::Internal, panic_message(panic.as_ref()))))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a bug in bigrain: {}", text.unwrap_or("a panic without a message"))
}

/// The call came too late, or was cut off by `close`.
pub fn closed() -> Error {
    Error::new(Code::Closed, "the index is closed")
}

/// The caller's signal stopped the call.
pub fn aborted() -> Error {
    Error::new(Code::Aborted, "the call was aborted")
}
