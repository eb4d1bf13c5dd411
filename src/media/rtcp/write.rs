//! Writing RTCP. Each function appends one packet, or a report with its description, to a datagram.
//!
//! A full compound begins with [`write_report`] (RFC 3550 §6.1). Feedback, a BYE or both follow.

use rtcp_types::prelude::RtcpPacketWriter;
use rtcp_types::{
    Bye, Fir, PayloadFeedback, Pli, ReceiverReport, ReportBlock as Block, ReportBlockBuilder, Sdes,
    SdesChunk, SdesItem, SenderReport,
};

use super::estimate::Estimate;
use super::{ReportBlock, Sent};

/// The most report blocks of one report (RFC 3550 §6.4.1).
const MAX_BLOCKS: usize = 31;
/// The longest CNAME in bytes (RFC 3550 §6.5).
const MAX_CNAME: usize = 255;
/// The most streams of one estimate.
const MAX_SOURCES: usize = 255;
/// The bounds of the lost packets in 24 bits with a sign (RFC 3550 §6.4.1).
const MIN_LOST: i32 = -0x80_0000;
const MAX_LOST: i32 = 0x7f_ffff;

/// Appends a sender report, or a receiver report if nothing was `sent`, and the description that belongs to it.
/// Blocks after the 31st are left out, a longer CNAME is cut off, and `lost` saturates.
pub fn write_report(
    into: &mut Vec<u8>,
    ssrc: u32,
    sent: Option<&Sent>,
    blocks: &[ReportBlock],
    cname: &str,
) {
    let blocks = blocks.iter().take(MAX_BLOCKS).map(build_block);
    if let Some(sent) = sent {
        let report = SenderReport::builder(ssrc)
            .ntp_timestamp(sent.ntp)
            .rtp_timestamp(sent.rtp)
            .packet_count(sent.packets)
            .octet_count(sent.octets);
        append(
            into,
            &blocks.fold(report, |report, block| report.add_report_block(block)),
        );
    } else {
        let report = ReceiverReport::builder(ssrc);
        append(
            into,
            &blocks.fold(report, |report, block| report.add_report_block(block)),
        );
    }
    let cname = cname.get(..cname.floor_char_boundary(MAX_CNAME));
    let item = SdesItem::builder(SdesItem::CNAME, cname.unwrap_or_default());
    let chunk = SdesChunk::builder(ssrc).add_item(item);
    append(into, &Sdes::builder().add_chunk(chunk));
}

fn build_block(block: &ReportBlock) -> ReportBlockBuilder {
    let lost = block.lost.clamp(MIN_LOST, MAX_LOST).cast_unsigned();
    Block::builder(block.about)
        .fraction_lost(block.fraction_lost)
        .cumulative_lost(lost & 0xff_ffff)
        .extended_sequence_number(block.highest)
        .interarrival_jitter(block.jitter)
        .last_sender_report_timestamp(block.last_report)
        .delay_since_last_sender_report_timestamp(block.delay)
}

/// Appends a picture loss indication (PLI, RFC 4585 §6.3.1).
pub fn write_picture_loss(into: &mut Vec<u8>, ssrc: u32, about: u32) {
    let fci = Pli::builder();
    let packet = PayloadFeedback::builder(&fci);
    append(into, &packet.sender_ssrc(ssrc).media_ssrc(about));
}

/// Appends a full intra request (FIR, RFC 5104 §4.3.1). Each new request needs the next number, and a repeated
/// request keeps its number.
pub fn write_full_intra(into: &mut Vec<u8>, ssrc: u32, about: u32, request: u8) {
    let fci = Fir::builder().add_ssrc(about, request);
    append(into, &PayloadFeedback::builder(&fci).sender_ssrc(ssrc));
}

/// Appends an estimate of the bitrate for these streams together (REMB, draft-alvestrand-rmcat-remb-03 §2.2).
/// Streams after the 255th are left out.
pub fn write_estimate(into: &mut Vec<u8>, ssrc: u32, about: &[u32], bitrate: u64) {
    let sources = about.get(..MAX_SOURCES).unwrap_or(about);
    let fci = Estimate { bitrate, sources };
    append(into, &PayloadFeedback::builder(&fci).sender_ssrc(ssrc));
}

/// Appends the end of a source (BYE, RFC 3550 §6.6).
pub fn write_bye(into: &mut Vec<u8>, ssrc: u32) {
    append(into, &Bye::builder().add_source(ssrc));
}

/// Appends a packet. The library takes the length of the place for the packet's length.
fn append(into: &mut Vec<u8>, packet: &impl RtcpPacketWriter) {
    let size = packet.calculate_size();
    let size = size.expect("counts and lengths are cut to what the packets can hold");
    let start = into.len();
    into.resize(start + size, 0);
    if let Some(place) = into.get_mut(start..) {
        packet.write_into_unchecked(place);
    }
}
