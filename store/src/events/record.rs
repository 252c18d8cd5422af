//! The TFRecord framing: length, masked CRC-32C of the length, data, masked CRC-32C of the data; all little-endian.

/// What is added to a rotated checksum, so that a record inside a record does not look valid by accident.
const MASK_DELTA: u32 = 0xa282_ead8;

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK_DELTA)
}

/// A record that holds `data`.
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_crc(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked_crc(data).to_le_bytes());
    record
}

/// Takes a file of records apart and checks every checksum.
#[cfg(test)]
pub(super) fn unframed(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut records = Vec::new();
    let whole = bytes.len();
    while !bytes.is_empty() {
        let at = whole - bytes.len();
        let take =
            |bytes: &mut &[u8], n: usize| bytes.split_off(..n).map(<[u8]>::to_vec).ok_or(format!("the record at byte {at} is cut short"));
        let check = |data: &[u8], crc: &[u8]| {
            if masked_crc(data).to_le_bytes() == crc { Ok(()) } else { Err(format!("checksum differs in the record at byte {at}")) }
        };
        let length = take(&mut bytes, 8)?;
        check(&length, &take(&mut bytes, 4)?)?;
        let data = take(&mut bytes, u64::from_le_bytes(length.try_into().unwrap()) as usize)?;
        check(&data, &take(&mut bytes, 4)?)?;
        records.push(data);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_castagnoli_and_masked() {
        // RFC 3720 B.4: 32 zero bytes. Masked by hand: rotate right by 15, add 0xa282ead8.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked_crc(&[0; 32]), 0x6d55_1522_u32.wrapping_add(MASK_DELTA));
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_found() {
        let file = [framed(b"one"), framed(b"")].concat();
        assert_eq!(unframed(&file).unwrap(), [b"one".to_vec(), Vec::new()]);
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unframed(&flipped).is_err(), "bit {bit}");
        }
    }
}
