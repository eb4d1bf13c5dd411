//! The ciphers of the data path, tested against published vectors. A compiler or an assembler with a fault
//! for one processor is found here, and nowhere else as clearly.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac, signature};
use data_encoding::HEXLOWER_PERMISSIVE as HEX;

type Check = fn() -> Result<(), String>;

pub(super) const CHECKS: [(&str, Check); 5] = [
    ("SHA-256", sha_256),
    ("HMAC-SHA-1", hmac_sha_1),
    ("AES-128-GCM", aes_128_gcm),
    ("ChaCha20-Poly1305", chacha20_poly1305),
    ("ECDSA P-256", ecdsa_p256),
];

/// Tests SHA-256 with the one-block example of FIPS 180-4.
fn sha_256() -> Result<(), String> {
    let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    compare(digest::digest(&digest::SHA256, b"abc").as_ref(), wanted)
}

/// Tests HMAC-SHA-1, which protects STUN, with case 2 of RFC 2202 §3.
fn hmac_sha_1() -> Result<(), String> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"Jefe");
    let tag = hmac::sign(&key, b"what do ya want for nothing?");
    compare(tag.as_ref(), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
}

/// Tests AES-128-GCM with case 2 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B.
fn aes_128_gcm() -> Result<(), String> {
    let mut text = [0; 16];
    let tag = seal(&aead::AES_128_GCM, &[0; 16], [0; 12], &[], &mut text)?;
    compare(&text, "0388dace60b6a392f328c2b971b2fe78")?;
    compare(&tag, "ab6e47d42cec13bdf53a67b21257bddf")
}

/// Tests ChaCha20-Poly1305 with RFC 8439 §2.8.2, whose tag depends on the whole text.
fn chacha20_poly1305() -> Result<(), String> {
    let mut text = *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
        for the future, sunscreen would be it.";
    let key: Vec<u8> = (0x80..=0x9f).collect();
    let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
    let header = hex("50515253c0c1c2c3c4c5c6c7")?;
    let tag = seal(&aead::CHACHA20_POLY1305, &key, nonce, &header, &mut text)?;
    let (first, _) = text.split_at(16);
    compare(first, "d31a8d34648e60db7b86afbc53ef7ec2")?;
    compare(&tag, "1ae10b594f09e26a7e902ecbd0600691")
}

/// Tests ECDSA P-256 with RFC 6979 §A.2.5, the message "sample" with SHA-256.
fn ecdsa_p256() -> Result<(), String> {
    let key = hex("04\
        60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
        7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")?;
    let signed = hex(
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
        f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    )?;
    let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key);
    let verified = key.verify(b"sample", &signed);
    verified.map_err(|_| "a good signature is refused".to_owned())?;
    match key.verify(b"simple", &signed) {
        Ok(()) => Err("a wrong signature is taken".to_owned()),
        Err(_) => Ok(()),
    }
}

fn seal(
    algorithm: &'static aead::Algorithm,
    key: &[u8],
    nonce: [u8; 12],
    header: &[u8],
    text: &mut [u8],
) -> Result<Vec<u8>, String> {
    let key = UnboundKey::new(algorithm, key).map_err(|_| "the key is refused")?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = LessSafeKey::new(key).seal_in_place_separate_tag(nonce, Aad::from(header), text);
    let tag = sealed.map_err(|_| "cannot seal")?;
    Ok(tag.as_ref().to_vec())
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    HEX.decode(text.as_bytes())
        .map_err(|error| error.to_string())
}

fn compare(found: &[u8], wanted: &str) -> Result<(), String> {
    let found = HEX.encode(found);
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found} in place of {wanted}"))
    }
}
