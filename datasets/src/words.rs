//! Texts as words, for comparing them: letters and digits in small letters, everything else separates.
//!
//! Words and word sequences are 64-bit hashes that never change (FNV-1a with SplitMix64's finaliser), so that what is left out of a run
//! does not depend on the version of a library.

/// The hashes of the words of a text, appended.
pub(crate) fn words_of(text: &str, out: &mut Vec<u64>) {
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for c in word.chars().flat_map(char::to_lowercase) {
            hash = (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0100_0000_01b3);
        }
        out.push(finish(hash));
    }
}

/// The hashes of all sequences of `n` words; of a shorter text, the one of all its words.
pub(crate) fn sequences(words: &[u64], n: usize) -> impl Iterator<Item = u64> {
    words.windows(n.min(words.len()).max(1)).map(join)
}

fn join(words: &[u64]) -> u64 {
    finish(words.iter().fold(words.len() as u64, |hash, word| finish(hash ^ word)))
}

/// SplitMix64's finaliser.
pub(crate) fn finish(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
