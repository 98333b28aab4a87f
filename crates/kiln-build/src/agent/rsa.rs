//! RSA keys: OpenSSH's file leaves out two of the numbers that signing by the Chinese remainder theorem needs.

use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};

use super::wire::Reader;

/// Reads the fields of an OpenSSH key: n, e, d, q⁻¹ mod p, p, q. Source: OpenSSH, `PROTOCOL.key` and `sshkey.c`.
pub(super) fn from_openssh(
    reader: &mut Reader<'_>,
) -> Option<Result<KeyPair, ring::error::KeyRejected>> {
    let mut number = || reader.mpint();
    let (n, e, d) = (number()?, number()?, number()?);
    #[expect(non_snake_case, reason = "the names of RFC 8017")]
    let (qInv, p, q) = (number()?, number()?, number()?);
    let public_key = PublicKeyComponents { n, e };
    let (d_p, d_q) = (remainder_less_one(d, p)?, remainder_less_one(d, q)?);
    let components = KeyPairComponents {
        public_key,
        d,
        p,
        q,
        dP: &d_p[..],
        dQ: &d_q[..],
        qInv,
    };
    Some(KeyPair::from_components(&components))
}

/// `number mod (prime - 1)`, all big-endian without leading zeros; `None` for primes below 3.
fn remainder_less_one(number: &[u8], prime: &[u8]) -> Option<Vec<u8>> {
    // An odd prime less one differs in the last bit alone.
    let mut modulus = prime.to_vec();
    let last = modulus.last_mut().filter(|last| **last & 1 == 1)?;
    *last -= 1;
    if modulus.iter().all(|&byte| byte == 0) {
        return None;
    }
    // One byte more than the modulus, for the bit that a doubling may carry out of it.
    modulus.insert(0, 0);
    let mut rest = vec![0; modulus.len()];
    for byte in number {
        for bit in (0..8).rev() {
            let mut carry = byte >> bit & 1;
            for digit in rest.iter_mut().rev() {
                (*digit, carry) = (*digit << 1 | carry, *digit >> 7);
            }
            if rest >= modulus {
                subtract(&mut rest, &modulus);
            }
        }
    }
    Some(super::wire::without_zeros(&rest).to_vec())
}

/// `from - what`, of equal length, where `from` is not smaller.
fn subtract(from: &mut [u8], what: &[u8]) {
    let mut borrow = false;
    for (digit, less) in from.iter_mut().rev().zip(what.iter().rev()) {
        let (first, one) = digit.overflowing_sub(*less);
        let (second, two) = first.overflowing_sub(u8::from(borrow));
        (*digit, borrow) = (second, one || two);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_are_those_of_machine_arithmetic() {
        let mut state = 1_u64;
        for round in 0..2000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let number = state >> (round % 60);
            let prime = (state.rotate_left(17) >> (round % 50)) | 3;
            let (bytes, prime_bytes) = (number.to_be_bytes(), prime.to_be_bytes());
            let rest = remainder_less_one(
                super::super::wire::without_zeros(&bytes),
                super::super::wire::without_zeros(&prime_bytes),
            );
            let expected = (number % (prime - 1)).to_be_bytes();
            assert_eq!(
                rest.unwrap(),
                super::super::wire::without_zeros(&expected),
                "{number} {prime}"
            );
        }
        assert_eq!(remainder_less_one(&[5], &[1]), None);
        assert_eq!(remainder_less_one(&[5], &[]), None);
        assert_eq!(remainder_less_one(&[5], &[4]), None);
    }
}
