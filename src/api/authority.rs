//! The files that a phone needs to trust this machine's certificate authority: a page that explains, and the
//! authority's certificate in the form for each system.

use data_encoding::BASE64;

use super::page;
use super::problem::Problem;
use crate::http::Response;
use crate::tls::authority::PublicAuthority;

const PAGE: &str = include_str!("../../web/page/ca.html");

/// A file below `/ca/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// A page that explains, and links to the other files.
    Page,
    /// A configuration profile for iOS, iPadOS and macOS.
    Profile,
    /// The certificate in DER, for Android and all other systems.
    Certificate,
    /// A name that no file has.
    Missing,
}

/// Returns the problem that this machine has no authority.
pub fn none() -> Problem {
    let detail = "this machine has no certificate authority: thingway setup --ca makes one";
    Problem::new(404, detail).at("path")
}

impl File {
    /// Returns the file of this name below `/ca/`.
    pub fn named(name: &str) -> Self {
        match name {
            "thingway.mobileconfig" => Self::Profile,
            "thingway.crt" => Self::Certificate,
            _ => Self::Missing,
        }
    }

    /// Returns the file as a response.
    ///
    /// # Errors
    /// 404 for a file that does not exist.
    pub fn response(self, authority: &PublicAuthority) -> Result<Response, Problem> {
        let answer = || Response::new(200).header("Cache-Control", "no-store");
        Ok(match self {
            Self::Page => page::own(page_of(authority).into_bytes()),
            Self::Profile => answer().body(
                "application/x-apple-aspen-config",
                profile_of(authority).into_bytes(),
            ),
            Self::Certificate => answer()
                .header(
                    "Content-Disposition",
                    "attachment; filename=\"thingway.crt\"",
                )
                .body("application/x-x509-ca-cert", authority.certificate.clone()),
            Self::Missing => {
                return Err(Problem::new(404, "there is nothing at this path").at("path"));
            }
        })
    }
}

fn page_of(authority: &PublicAuthority) -> String {
    PAGE.replace("{name}", &escaped(&authority.name))
        .replace("{fingerprint}", &escaped(&authority.fingerprint))
        .replace("{hosts}", &escaped(&authority.hosts.join(", ")))
}

/// Returns a profile with one payload, the certificate (Apple, Configuration Profile Reference,
/// "CertificateRoot").
fn profile_of(authority: &PublicAuthority) -> String {
    let name = escaped(&authority.name);
    let certificate = BASE64.encode(&authority.certificate);
    let (profile, payload) = (uuid_of(authority, 0), uuid_of(authority, 1));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\"><dict>\n\
         <key>PayloadType</key><string>Configuration</string>\n\
         <key>PayloadVersion</key><integer>1</integer>\n\
         <key>PayloadIdentifier</key><string>thingway.{profile}</string>\n\
         <key>PayloadUUID</key><string>{profile}</string>\n\
         <key>PayloadDisplayName</key><string>{name}</string>\n\
         <key>PayloadDescription</key><string>Trusts the pages of {hosts}, and no others.</string>\n\
         <key>PayloadContent</key><array><dict>\n\
         <key>PayloadType</key><string>com.apple.security.root</string>\n\
         <key>PayloadVersion</key><integer>1</integer>\n\
         <key>PayloadIdentifier</key><string>thingway.{profile}.root</string>\n\
         <key>PayloadUUID</key><string>{payload}</string>\n\
         <key>PayloadDisplayName</key><string>{name}</string>\n\
         <key>PayloadCertificateFileName</key><string>thingway.cer</string>\n\
         <key>PayloadContent</key><data>{certificate}</data>\n\
         </dict></array>\n\
         </dict></plist>\n",
        hosts = escaped(&authority.hosts.join(", "))
    )
}

/// Returns a UUID that is the same for the same authority, so that a profile that is installed twice replaces
/// itself.
fn uuid_of(authority: &PublicAuthority, which: usize) -> String {
    let digits: String = authority
        .fingerprint
        .chars()
        .filter(|c| *c != ':')
        .collect();
    let half = digits.get(which * 32..).unwrap_or_default();
    let part = |from: usize, to: usize| half.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// Escapes text for HTML and XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> PublicAuthority {
        let made = crate::tls::authority::Authority::make(
            vec!["board.local".to_owned(), "192.0.2.7".to_owned()],
            1_800_000_000,
        );
        made.expect("made").public().expect("public")
    }

    #[test]
    fn the_page_shows_what_is_to_be_compared() {
        let authority = authority();
        let page = page_of(&authority);
        assert!(page.contains(&authority.fingerprint), "{page}");
        assert!(page.contains("board.local, 192.0.2.7"), "{page}");
        assert!(
            !page.contains('{'),
            "nothing is left to be filled in: {page}"
        );
        assert!(page.contains("lang=\"ja\""), "{page}");
    }

    #[test]
    fn a_profile_has_the_certificate_and_two_names_of_its_own() {
        let authority = authority();
        let profile = profile_of(&authority);
        assert!(profile.contains(&BASE64.encode(&authority.certificate)));
        let (one, two) = (uuid_of(&authority, 0), uuid_of(&authority, 1));
        assert!(
            one != two && one.len() == 36 && two.len() == 36,
            "{one} {two}"
        );
        assert_eq!(profile, profile_of(&authority));
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let mut odd = authority();
        odd.name = "<script>&".to_owned();
        assert!(page_of(&odd).contains("&lt;script>&amp;"));
        assert!(profile_of(&odd).contains("&lt;script>&amp;"));
    }
}
