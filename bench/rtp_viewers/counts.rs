//! What viewers count.

use std::fmt::Write;

use crate::viewer::Viewer;

/// Where the source has put the time into a payload.
const TIME: std::ops::Range<usize> = 8..16;

/// The packets of the first stream of a viewer.
#[derive(Default)]
pub(crate) struct Stream {
    ssrc: Option<[u8; 4]>,
    /// The first and the highest sequence number, without wrapping.
    first: u64,
    highest: u64,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets that came after later ones.
    pub(crate) late: u64,
    /// Packets of other streams: what was sent again.
    pub(crate) others: u64,
}

impl Stream {
    /// Counts a packet, by the header of RTP (RFC 3550 §5.1).
    pub(crate) fn note(&mut self, datagram: &[u8]) {
        let Some((header, _)) = datagram.split_first_chunk::<12>() else {
            return;
        };
        let [_, kind, high, low, _, _, _, _, ssrc @ ..] = *header;
        if (192..224).contains(&kind) {
            return; // RTCP (RFC 5761 §4)
        }
        if *self.ssrc.get_or_insert(ssrc) != ssrc {
            self.others += 1;
            return;
        }
        self.packets += 1;
        self.bytes += datagram.len() as u64;
        let number = u16::from_be_bytes([high, low]);
        if self.packets == 1 {
            // Room for packets before the first one.
            self.first = (1 << 16) + u64::from(number);
            self.highest = self.first;
            return;
        }
        let ahead = number.wrapping_sub((self.highest & 0xffff) as u16);
        if (1..0x8000).contains(&ahead) {
            self.highest += u64::from(ahead);
        } else {
            self.late += 1;
        }
    }

    /// Numbers between the first packet and the last one that have not come.
    pub(crate) fn missing(&self) -> u64 {
        let numbers = if self.packets == 0 {
            0
        } else {
            self.highest - self.first + 1
        };
        numbers.saturating_sub(self.packets)
    }
}

/// How old decrypted packets were, in microseconds.
#[derive(Default)]
pub(crate) struct Ages(Vec<u32>);

impl Ages {
    pub(crate) fn note(&mut self, payload: &[u8], arrival: u64) {
        let time = payload.get(TIME).and_then(|bytes| bytes.try_into().ok());
        if let Some(sent) = time.map(u64::from_be_bytes) {
            let age = arrival.saturating_sub(sent) / 1_000;
            self.0.push(u32::try_from(age).unwrap_or(u32::MAX));
        }
    }
}

/// All counts as JSON.
pub(crate) fn summary(viewers: &[Viewer]) -> String {
    let sum =
        |count: fn(&Stream) -> u64| -> u64 { viewers.iter().map(|it| count(&it.stream)).sum() };
    let most = viewers.iter().map(|it| it.stream.packets).max();
    let least = viewers.iter().map(|it| it.stream.packets).min();
    let mut text = format!(
        "{{\"packets\":{},\"bytes\":{},\"missing\":{},\"late\":{},\"others\":{},\"least\":{},\"most\":{}",
        sum(|it| it.packets),
        sum(|it| it.bytes),
        sum(Stream::missing),
        sum(|it| it.late),
        sum(|it| it.others),
        least.unwrap_or(0),
        most.unwrap_or(0),
    );
    let mut ages: Vec<u32> = viewers.iter().flat_map(|it| &it.ages.0).copied().collect();
    ages.sort_unstable();
    if let Some(last) = ages.last() {
        let at = |part: usize| ages[(ages.len() - 1) * part / 100];
        write!(
            text,
            ",\"ages\":{},\"median_us\":{},\"p99_us\":{},\"most_us\":{last}",
            ages.len(),
            at(50),
            at(99)
        )
        .expect("a string takes everything");
    }
    text + "}"
}
