//! Reading trained parameters: lengths must be those the codec needs, numbers must be finite.

use wire::{Error, Reader};

/// The next `f32`, which must be finite.
pub(crate) fn finite(r: &mut Reader, what: &str) -> Result<f32, Error> {
    let value = r.f32()?;
    if value.is_finite() { Ok(value) } else { Err(r.error(format!("{what} is not a finite number"))) }
}

/// The next array of `f32`, which must be `len` finite numbers.
pub(crate) fn finite_row(r: &mut Reader, len: usize, what: &str) -> Result<Vec<f32>, Error> {
    let row = r.f32s()?;
    if row.len() != len {
        return Err(r.error(format!("{what} has {} numbers, {len} were wanted", row.len())));
    }
    if row.iter().all(|x| x.is_finite()) { Ok(row) } else { Err(r.error(format!("{what} holds a number that is not finite"))) }
}
