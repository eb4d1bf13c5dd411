//! Names for clients that do not choose one.

use rand::RngCore;

/// Returns a random name of 16 letters and digits.
pub(crate) fn random_name(random: &mut impl RngCore) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
    let letter = |byte: u8| LETTERS.get(usize::from(byte % 32)).copied().map(char::from);
    let bytes = random_bytes(random);
    bytes.into_iter().filter_map(letter).collect()
}

/// Returns random bytes for an id.
pub(crate) fn random_bytes(random: &mut impl RngCore) -> [u8; 16] {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn names_are_ids_and_differ() {
        let mut random = StdRng::from_seed([1; 32]);
        let [first, second] = [0; 2].map(|_| random_name(&mut random));
        assert_ne!(first, second);
        assert_eq!(first.len(), 16);
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
