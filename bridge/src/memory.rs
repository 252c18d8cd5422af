//! The memory of a tensor as a slice.

use tch::{Kind, Tensor};

use crate::{BridgeError, address, ffi::raw};

fn plain(what: &'static str, tensor: &Tensor) -> Result<(), BridgeError> {
    if raw::is_plain(address(tensor)) {
        return Ok(());
    }
    let got = format!("{:?} on {:?}, not contiguous or not strided", tensor.size(), tensor.device());
    Err(BridgeError::Form { what, got, wanted: "contiguous, on the CPU" })
}

/// Lets `fill` write the elements of a contiguous float32 tensor in place, in row-major order.
///
/// # Errors
/// When the tensor has another form, or with the error of `fill`.
pub fn fill_f32<E>(tensor: &mut Tensor, fill: impl FnOnce(&mut [f32]) -> Result<(), E>) -> Result<(), E>
where
    E: From<BridgeError>,
{
    plain("fill_f32", tensor)?;
    if tensor.kind() != Kind::Float {
        let got = format!("{:?}", tensor.kind());
        return Err(BridgeError::Form { what: "fill_f32", got, wanted: "Float" }.into());
    }
    if tensor.numel() == 0 {
        return fill(&mut []);
    }
    let data = raw::data_address(address(tensor)).map_err(BridgeError::from)? as *mut f32;
    // SAFETY: the tensor is contiguous float32 on the CPU with `numel` elements, and is borrowed mutably for the length of the call.
    fill(unsafe { std::slice::from_raw_parts_mut(data, tensor.numel()) })
}

/// The bytes of a contiguous tensor, in row-major order and in the machine's byte order.
///
/// # Errors
/// When the tensor has another form.
pub fn bytes(tensor: &Tensor) -> Result<&[u8], BridgeError> {
    plain("bytes", tensor)?;
    let length = tensor.numel() * tensor.kind().elt_size_in_bytes();
    if length == 0 {
        return Ok(&[]);
    }
    let data = raw::data_address(address(tensor))? as *const u8;
    // SAFETY: the tensor is contiguous on the CPU, holds `length` bytes, and is borrowed as long as the slice lives. In-place operations
    // through another handle to the same storage are the caller's to avoid, as everywhere in tch.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_filled_and_read_where_it_lies() {
        let mut t = Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu));
        fill_f32(&mut t, |s| -> Result<(), BridgeError> {
            s.copy_from_slice(&[1., 2., 3., 4., 5., 6.]);
            Ok(())
        })
        .unwrap();
        assert_eq!(t.double_value(&[1, 0]), 4.0);
        assert_eq!(bytes(&t).unwrap()[..4], 1f32.to_le_bytes());
    }

    #[test]
    fn a_strided_view_is_refused() {
        let t = Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu)).tr();
        assert!(bytes(&t).is_err());
    }
}
