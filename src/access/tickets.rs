//! Tickets. A browser cannot send a header with an `EventSource` or a `WebSocket`, and a token in a URL ends
//! up in logs. A ticket may be in a URL, because it works only once, for half a minute, from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use rand::RngCore;

use super::scope::Grant;

/// How long a ticket works.
pub const LIFETIME: Duration = Duration::from_secs(30);
/// The most unused tickets: more than any set of pages opens at once.
const MAX_TICKETS: usize = 256;
/// The most unused tickets of one token: more than any one page opens at once.
const MAX_PER_TOKEN: usize = 16;

/// The unused tickets.
#[derive(Debug, Default)]
pub struct Tickets {
    tickets: HashMap<String, Ticket>,
}

#[derive(Debug)]
struct Ticket {
    grant: Grant,
    address: IpAddr,
    until: Instant,
}

impl Tickets {
    /// Makes a ticket. Returns `None` if too many tickets wait to be used.
    pub fn issue(
        &mut self,
        now: Instant,
        grant: Grant,
        address: IpAddr,
        random: &mut impl RngCore,
    ) -> Option<String> {
        self.tickets.retain(|_, ticket| now < ticket.until);
        let same = self.tickets.values();
        let same = same.filter(|ticket| ticket.grant.token == grant.token);
        if self.tickets.len() >= MAX_TICKETS || same.count() >= MAX_PER_TOKEN {
            return None;
        }
        let mut bytes = [0; 24];
        random.fill_bytes(&mut bytes);
        let text = BASE64URL_NOPAD.encode(&bytes);
        let ticket = Ticket {
            grant,
            address: address.to_canonical(),
            until: now + LIFETIME,
        };
        self.tickets.insert(text.clone(), ticket);
        Some(text)
    }

    /// Uses up a ticket, and returns its grant.
    pub fn redeem(&mut self, now: Instant, text: &str, address: IpAddr) -> Option<Grant> {
        let ticket = self.tickets.remove(text)?;
        let is_good = now < ticket.until && ticket.address == address.to_canonical();
        is_good.then_some(ticket.grant)
    }

    /// Removes the tickets of a token.
    pub fn forget(&mut self, token: &str) {
        self.tickets.retain(|_, ticket| !ticket.grant.is_of(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn a_ticket_works_once_soon_and_from_one_place() {
        let now = Instant::now();
        let mut random = StdRng::from_seed([1; 32]);
        let mut tickets = Tickets::default();
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        let there: IpAddr = "192.0.2.2".parse().unwrap();
        let mut issue = |tickets: &mut Tickets| {
            let ticket = tickets.issue(now, Grant::default(), here, &mut random);
            ticket.expect("there is room")
        };
        let one = issue(&mut tickets);
        assert_eq!(tickets.redeem(now, &one, here), Some(Grant::default()));
        assert_eq!(tickets.redeem(now, &one, here), None, "a second time");
        let two = issue(&mut tickets);
        assert_eq!(tickets.redeem(now, &two, there), None, "from elsewhere");
        assert_eq!(
            tickets.redeem(now, &two, here),
            None,
            "it was tried elsewhere"
        );
        let three = issue(&mut tickets);
        assert_eq!(
            tickets.redeem(now + LIFETIME, &three, here),
            None,
            "too late"
        );
        for _ in 0..MAX_PER_TOKEN {
            issue(&mut tickets);
        }
        assert_eq!(
            tickets.issue(now, Grant::default(), here, &mut random),
            None
        );
        let later = tickets.issue(now + LIFETIME, Grant::default(), here, &mut random);
        assert!(later.is_some(), "old ones make room");
    }
}
