//! Reading a datagram of RTCP.
//!
//! The compound is taken apart here and not by rtcp-types, which refuses the whole datagram for a fault in its
//! last packet, and takes the padding of feedback packets for their contents.

use rtcp_types::prelude::{FciParser, RtcpPacket, RtcpPacketParser};
use rtcp_types::{
    Bye, Fir, Nack, PayloadFeedback, Pli, ReceiverReport, ReportBlock as Block, SenderReport,
    TransportFeedback,
};

use super::{Feedback, ReportBlock, RtcpFault, Sent, VERSION, estimate, is_type};
use crate::limits::NACKS;

const HEADER: usize = 4;
/// The count of report blocks or sources, or the format of feedback (RFC 3550 §6.4.1, RFC 4585 §6.1).
const COUNT: u8 = 0x1f;
const PADDED: u8 = 0x20;

/// Reads a datagram and calls `handle` for each statement.
///
/// # Errors
///
/// Returns why the rest of the datagram was not read. Statements before the fault have been passed on.
pub fn parse(datagram: &[u8], mut handle: impl FnMut(Feedback)) -> Result<(), RtcpFault> {
    if datagram.is_empty() {
        return Err(RtcpFault::TooShort);
    }
    let mut rest = datagram;
    let mut nacks = NACKS;
    while !rest.is_empty() {
        let packet = Packet::split_off(&mut rest)?;
        packet.read(&mut nacks, &mut handle)?;
    }
    Ok(())
}

/// One packet of a compound.
struct Packet<'a> {
    kind: u8,
    count: u8,
    /// The packet with its header and padding.
    whole: &'a [u8],
    /// What follows the header, without padding.
    contents: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes the first packet off a compound.
    fn split_off(compound: &mut &'a [u8]) -> Result<Self, RtcpFault> {
        let &[first, kind, high, low, ..] = *compound else {
            return Err(RtcpFault::TooShort);
        };
        if first >> 6 != VERSION {
            return Err(RtcpFault::BadVersion);
        }
        if !is_type(kind) {
            return Err(RtcpFault::NotRtcp);
        }
        let length = HEADER + 4 * usize::from(u16::from_be_bytes([high, low]));
        let whole = compound.split_off(..length).ok_or(RtcpFault::BadLength)?;
        let (_, mut contents) = whole.split_at_checked(HEADER).ok_or(RtcpFault::BadLength)?;
        // Only the last packet should be padded (RFC 3550 §6.4.1), but the padding of any other is as clear.
        if first & PADDED != 0 {
            let padding = contents.last().copied().unwrap_or(0);
            let unpadded = contents.len().checked_sub(usize::from(padding));
            let unpadded = unpadded.filter(|_| padding != 0 && padding % 4 == 0);
            contents = unpadded
                .and_then(|length| contents.get(..length))
                .ok_or(RtcpFault::BadPadding)?;
        }
        Ok(Self {
            kind,
            count: first & COUNT,
            whole,
            contents,
        })
    }

    fn read(&self, nacks: &mut usize, handle: &mut impl FnMut(Feedback)) -> Result<(), RtcpFault> {
        match self.kind {
            SenderReport::PACKET_TYPE => self.read_sender_report(handle),
            ReceiverReport::PACKET_TYPE => self.read_receiver_report(handle),
            Bye::PACKET_TYPE => self.read_bye(handle),
            TransportFeedback::PACKET_TYPE => self.read_transport_feedback(nacks, handle),
            PayloadFeedback::PACKET_TYPE => self.read_payload_feedback(handle),
            _ => {
                handle(Feedback::Other);
                Ok(())
            }
        }
    }

    /// Returns the packet as the library reads it, if the contents without padding have at least the length of
    /// the type and of so many items. The library would count the padding.
    fn parsed<P>(&self, items: usize) -> Result<P, RtcpFault>
    where
        P: RtcpPacketParser<'a>,
    {
        if HEADER + self.contents.len() < P::MIN_PACKET_LEN + items {
            return Err(RtcpFault::BadLength);
        }
        P::parse(self.whole).map_err(|_| RtcpFault::BadLength)
    }

    fn read_sender_report(&self, handle: &mut impl FnMut(Feedback)) -> Result<(), RtcpFault> {
        let report: SenderReport<'_> = self.parsed(self.blocks())?;
        let ssrc = report.ssrc();
        handle(Feedback::SenderReport {
            ssrc,
            sent: Sent {
                ntp: report.ntp_timestamp(),
                rtp: report.rtp_timestamp(),
                packets: report.packet_count(),
                octets: report.octet_count(),
            },
        });
        for block in report.report_blocks() {
            let block = ReportBlock::from(&block);
            handle(Feedback::ReceiverReport { ssrc, block });
        }
        Ok(())
    }

    fn read_receiver_report(&self, handle: &mut impl FnMut(Feedback)) -> Result<(), RtcpFault> {
        let report: ReceiverReport<'_> = self.parsed(self.blocks())?;
        let ssrc = report.ssrc();
        for block in report.report_blocks() {
            let block = ReportBlock::from(&block);
            handle(Feedback::ReceiverReport { ssrc, block });
        }
        Ok(())
    }

    /// Returns the bytes of the report blocks.
    fn blocks(&self) -> usize {
        Block::EXPECTED_SIZE * usize::from(self.count)
    }

    fn read_bye(&self, handle: &mut impl FnMut(Feedback)) -> Result<(), RtcpFault> {
        let bye: Bye<'_> = self.parsed(4 * usize::from(self.count))?;
        for ssrc in bye.ssrcs() {
            handle(Feedback::Bye { ssrc });
        }
        Ok(())
    }

    fn read_transport_feedback(
        &self,
        nacks: &mut usize,
        handle: &mut impl FnMut(Feedback),
    ) -> Result<(), RtcpFault> {
        let feedback: TransportFeedback<'_> = self.parsed(0)?;
        if self.count != Nack::FCI_FORMAT {
            handle(Feedback::Other);
            return Ok(());
        }
        let (ssrc, about) = (feedback.sender_ssrc(), feedback.media_ssrc());
        let nack = Nack::parse(self.control_information()).map_err(|_| RtcpFault::BadLength)?;
        for sequence in nack.entries() {
            *nacks = nacks.checked_sub(1).ok_or(RtcpFault::TooManyNacks)?;
            handle(Feedback::Nack {
                ssrc,
                about,
                sequence,
            });
        }
        Ok(())
    }

    fn read_payload_feedback(&self, handle: &mut impl FnMut(Feedback)) -> Result<(), RtcpFault> {
        let feedback: PayloadFeedback<'_> = self.parsed(0)?;
        let ssrc = feedback.sender_ssrc();
        let fci = self.control_information();
        match self.count {
            Pli::FCI_FORMAT => {
                let about = feedback.media_ssrc();
                handle(Feedback::PictureLoss { ssrc, about });
            }
            Fir::FCI_FORMAT => {
                // The source in the header is unused; each entry names its own (RFC 5104 §4.3.1.2).
                let requests = Fir::parse(fci).map_err(|_| RtcpFault::BadLength)?;
                for entry in requests.entries() {
                    handle(Feedback::FullIntra {
                        ssrc,
                        about: entry.ssrc(),
                        request: entry.sequence(),
                    });
                }
            }
            estimate::FORMAT => handle(match estimate::read(fci)? {
                Some(bitrate) => Feedback::Estimate { ssrc, bitrate },
                None => Feedback::Other,
            }),
            _ => handle(Feedback::Other),
        }
        Ok(())
    }

    /// Returns what follows the two sources of a feedback packet (RFC 4585 §6.1).
    fn control_information(&self) -> &'a [u8] {
        let sources = PayloadFeedback::MIN_PACKET_LEN - HEADER;
        self.contents.get(sources..).unwrap_or_default()
    }
}

impl From<&Block<'_>> for ReportBlock {
    fn from(block: &Block<'_>) -> Self {
        // The library passes on the 24 bits as they are, without their sign.
        let lost = block.cumulative_lost().cast_signed() << 8 >> 8;
        Self {
            about: block.ssrc(),
            fraction_lost: block.fraction_lost(),
            lost,
            highest: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
            last_report: block.last_sender_report_timestamp(),
            delay: block.delay_since_last_sender_report_timestamp(),
        }
    }
}
