//! DTLS for all sessions from one configuration, because dimpl tests its cryptography whenever a
//! configuration is made, and these tests are most of the cost of a connect.
//!
//! On a processor without AES instructions ChaCha20-Poly1305 is several times faster. The answerer is the
//! DTLS server here, and dimpl's server follows the client's order, in which AES is first. So if the client's
//! ClientHello offers ChaCha20 (RFC 7905), the server that the client meets knows only that.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use dimpl::crypto::Dtls12CipherSuite;
use dimpl::{CertificateError, Config, Dtls, SecurityError};
use str0m::RtcError;
use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion};
use str0m::crypto::{CryptoError, DtlsError};

/// Returns the crypto of str0m's features, with DTLS as configured in this file.
pub(super) fn provider() -> CryptoProvider {
    static DTLS: Shared = Shared;
    CryptoProvider {
        dtls_provider: &DTLS,
        ..str0m::crypto::from_feature_flags()
    }
}

#[derive(Debug)]
struct Shared;

/// The configurations that all sessions share.
struct Configs {
    mtu: Option<usize>,
    all: Arc<Config>,
    /// The configuration with ChaCha20 only, for a processor without AES instructions.
    chacha: Option<Arc<Config>>,
}

impl Configs {
    fn new(mtu: Option<usize>, prefer_chacha: bool) -> Result<Self, CryptoError> {
        let chacha = prefer_chacha.then(|| config(mtu, Some(CHACHA)));
        Ok(Self {
            mtu,
            all: config(mtu, None)?,
            chacha: chacha.transpose()?,
        })
    }

    fn start(&self, cert: &DtlsCert, now: Instant) -> Server {
        Server {
            dtls: Dtls::new_12(Arc::clone(&self.all), cert.clone(), now),
            chacha: (self.chacha.clone()).map(|config| (config, cert.clone(), now)),
        }
    }
}

const CHACHA: Dtls12CipherSuite = Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256;

fn config(mtu: Option<usize>, only: Option<Dtls12CipherSuite>) -> Result<Arc<Config>, CryptoError> {
    // ICE has verified the peer's address before DTLS begins, so no cookie is needed (RFC 6347 §4.2.1).
    let mut builder = Config::builder().use_server_cookie(false);
    if let Some(mtu) = mtu {
        builder = builder.mtu(mtu);
    }
    if let Some(suite) = only {
        builder = builder.dtls12_cipher_suites(&[suite]);
    }
    let config = builder.build();
    config
        .map(Arc::new)
        .map_err(|error| CryptoError::Other(format!("DTLS cannot be configured: {error}")))
}

impl DtlsProvider for Shared {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        dimpl::certificate::generate_self_signed_certificate().ok()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        static CONFIGS: OnceLock<Configs> = OnceLock::new();
        if version != DtlsVersion::Dtls12 {
            return Err(CryptoError::Other(format!("{version} is not supported")));
        }
        if CONFIGS.get().is_none_or(|configs| configs.mtu != mtu) {
            let made = Configs::new(mtu, !has_aes())?;
            if CONFIGS.get().is_some() {
                return Ok(Box::new(made.start(cert, now)));
            }
            drop(CONFIGS.set(made));
        }
        let configs = CONFIGS.get();
        let configs = configs.ok_or_else(|| CryptoError::Other("no configuration".to_owned()))?;
        Ok(Box::new(configs.start(cert, now)))
    }
}

/// Returns whether the processor has instructions for AES.
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    return false;
}

struct Server {
    dtls: Dtls,
    /// The values with which the server starts anew if the first packet offers ChaCha20.
    chacha: Option<(Arc<Config>, DtlsCert, Instant)>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

impl DtlsInstance for Server {
    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        if let Some((config, cert, now)) = self.chacha.take()
            && !self.dtls.is_active()
            && offers(packet, CHACHA.as_u16())
        {
            let mut dtls = Dtls::new_12(config, cert, now);
            dtls.handle_timeout(now)?;
            self.dtls = dtls;
        }
        self.dtls.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        self.dtls.poll_output(buf)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        if let Some((_, _, at)) = &mut self.chacha {
            *at = now;
        }
        self.dtls.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.dtls.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}

/// Returns whether a session failed because the peer has no certificate of a requested kind. dimpl requests
/// only ECDSA; a peer with another kind of key answers with an empty list, or with the alert
/// handshake_failure (RFC 5246 §7.4.6, §7.2.2).
pub(super) fn has_no_certificate(error: &RtcError) -> bool {
    const HANDSHAKE_FAILURE: u8 = 40;
    let description = HANDSHAKE_FAILURE;
    let kinds = [
        DtlsImplError::CertificateError(CertificateError::NoClientCertificateReceived),
        DtlsImplError::SecurityError(SecurityError::FatalAlert { description }),
    ];
    // str0m keeps only the text of dimpl's error.
    let RtcError::Dtls(DtlsError::CryptoError(CryptoError::Other(words))) = error else {
        return false;
    };
    kinds.iter().any(|kind| words.ends_with(&kind.to_string()))
}

/// Returns whether a packet is a ClientHello in one piece (RFC 6347 §4.2.2, RFC 5246 §7.4.1.2) that offers
/// this cipher suite.
fn offers(packet: &[u8], suite: u16) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const RECORD_HEADER: usize = 13;
    const MESSAGE_HEADER: usize = 12;
    const VERSION_AND_RANDOM: usize = 2 + 32;
    let find = || -> Option<bool> {
        if packet.first() != Some(&HANDSHAKE) || packet.get(RECORD_HEADER) != Some(&CLIENT_HELLO) {
            return None;
        }
        let body = packet.get(RECORD_HEADER + MESSAGE_HEADER + VERSION_AND_RANDOM..)?;
        let (session_id, rest) = body.split_first()?;
        let (cookie, rest) = rest.get(usize::from(*session_id)..)?.split_first()?;
        let (length, rest) = rest.get(usize::from(*cookie)..)?.split_first_chunk::<2>()?;
        let suites = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
        Some(
            suites
                .chunks_exact(2)
                .any(|pair| pair == suite.to_be_bytes()),
        )
    };
    find().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Completes a handshake and sends one byte. Returns the length of that byte's record.
    fn record_length(client: &mut Server, server: &mut Server) -> usize {
        let now = Instant::now();
        client.handle_timeout(now).expect("begun");
        server.handle_timeout(now).expect("begun");
        let mut buffer = vec![0; 4096];
        let mut connected = 0;
        let mut sent = false;
        for _ in 0..20 {
            for from_client in [true, false] {
                let (from, to): (&mut Server, &mut Server) = if from_client {
                    (&mut *client, &mut *server)
                } else {
                    (&mut *server, &mut *client)
                };
                loop {
                    match from.poll_output(&mut buffer) {
                        DtlsOutput::Packet(packet) if sent => return packet.len(),
                        DtlsOutput::Packet(packet) => to.handle_packet(packet).expect("taken"),
                        DtlsOutput::Connected => connected += 1,
                        DtlsOutput::Timeout(_) => break,
                        _ => {}
                    }
                }
            }
            if connected == 2 {
                client.send_application_data(b"x").expect("sent");
                sent = true;
            }
        }
        panic!("no handshake: {connected}");
    }

    fn meet(prefer_chacha: bool, offered: &[Dtls12CipherSuite]) -> usize {
        let cert = || Shared.generate_certificate().expect("one");
        let configs = Configs::new(Some(1150), prefer_chacha).expect("a configuration");
        let mut server = configs.start(&cert(), Instant::now());
        let client = Config::builder()
            .dtls12_cipher_suites(offered)
            .build()
            .expect("one");
        let mut client = Server {
            dtls: Dtls::new_12(Arc::new(client), cert(), Instant::now()),
            chacha: None,
        };
        client.set_active(true);
        record_length(&mut client, &mut server)
    }

    #[test]
    fn without_instructions_for_aes_chacha_is_taken_where_it_is_offered() {
        const AES: Dtls12CipherSuite = Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256;
        // Header, payload, tag; with AES-GCM also 8 bytes of nonce (RFC 5288 §3).
        let (chacha, aes) = (13 + 1 + 16, 13 + 8 + 1 + 16);
        assert_eq!(meet(false, &[AES, CHACHA]), aes);
        assert_eq!(meet(true, &[AES, CHACHA]), chacha);
        assert_eq!(meet(true, &[CHACHA, AES]), chacha);
        assert_eq!(meet(true, &[AES]), aes);
    }

    #[test]
    fn cut_packets_offer_nothing() {
        let mut hello = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60];
        hello.extend([1, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 48]);
        hello.extend([0xfe, 0xfd]);
        hello.extend([9; 32]);
        hello.extend([2, 5, 5, 1, 7, 0, 4, 0xc0, 0x2b, 0xcc, 0xa9, 1, 0]);
        assert!(offers(&hello, 0xcca9) && offers(&hello, 0xc02b));
        assert!(!offers(&hello, 0x2bcc), "not between two of them");
        for length in 0..hello.len() - 2 {
            assert!(!offers(&hello[..length], 0xcca9), "{length}");
        }
        for (at, byte) in [(0, 23), (13, 2), (59, 255), (62, 255), (64, 255)] {
            let mut other = hello.clone();
            other[at] = byte;
            assert!(!offers(&other, 0xcca9), "{at}");
        }
    }
}
