//! Gives each reply its code in FTP: the one table of the dialect.

use super::reply_text;
use super::verbs::is_known;
use crate::wire::command::{DigestForm, PassiveForm};
use crate::wire::reply::{
    CloseReason, DataReply, HelpTopic, Malformed, Operation, ParameterReply, Refusal, Reply,
    SecurityReply,
};

/// Appends all lines of `reply` and returns its code. An aborted transfer and ABOR itself are
/// answered at once (RFC 959 section 4.1.3): two replies, of which the first one's code is
/// returned.
pub fn encode(reply: &Reply, out: &mut Vec<u8>) -> u16 {
    let code = code(reply);
    reply_text::push(reply, code, out);
    if *reply == Reply::Aborted {
        out.extend_from_slice(b"226 aborted\r\n");
    }
    code
}

/// The code of each reply.
#[rustfmt::skip]
pub fn code(reply: &Reply) -> u16 {
    match reply {
        Reply::Sending { .. } | Reply::Receiving { .. } | Reply::ListingFollows => 150,
        Reply::Noop | Reply::ModeSet | Reply::Usage(_) => 200,
        Reply::Status(_) | Reply::UnderWay(_) | Reply::Features(_) => 211,
        Reply::Size(_) | Reply::ModifiedAt(_) | Reply::ModifiedSet { .. } | Reply::Available(_) => 213,
        Reply::ListingInReply { .. } | Reply::ListingEnd { .. } => 213,
        Reply::DigestIs { form: DigestForm::Full, .. } => 213,
        Reply::DigestIs { form: DigestForm::Bare, .. } => 250,
        Reply::Help { topic, .. } => help_code(topic),
        Reply::Platform(_) => 215,
        Reply::Greeting { .. } | Reply::Reinitialized | Reply::HostNoted => 220,
        Reply::Goodbye => 221,
        Reply::StreamSent { .. } | Reply::StreamStored { .. } | Reply::ListingDone { .. } => 226,
        Reply::NothingToAbort => 226,
        Reply::Authenticated { .. } => 230,
        Reply::Recognized { .. } => 232,
        Reply::DirectoryChanged(_) | Reply::Deleted | Reply::Renamed | Reply::Entry { .. } => 250,
        Reply::Directory(_) | Reply::Created(_) => 257,
        Reply::NeedPassword => 331,
        Reply::RenameToWhat => 350,
        Reply::Aborted | Reply::Stopped => 426,
        Reply::BadSequence | Reply::LoggedInAlready => 503,
        Reply::HostUnknown => 504,
        Reply::NotLoggedIn | Reply::LoginRefused(_) => 530,
        Reply::Closing(reason) => close_reason_code(reason),
        Reply::Security(security) => security_code(security),
        Reply::Data(data) => data_code(data),
        Reply::Parameter(parameter) => parameter_code(parameter),
        Reply::Malformed(malformed) => malformed_code(malformed),
        Reply::Refused { operation, why } => refusal_code(*operation, why),
        // Replies to commands that this dialect does not have.
        Reply::Challenge { .. } | Reply::LoggedIn { .. } => 502,
        Reply::Offer { .. } | Reply::SendingAll { .. } | Reply::SendingFrom { .. } => 502,
        Reply::RangeSent { .. } => 502,
        Reply::Sent { .. } | Reply::SendNow | Reply::PartHere { .. } | Reply::SendFrom { .. } => 502,
        Reply::AlreadyThere { .. } | Reply::Stored { .. } | Reply::NotVerified(_) => 502,
        Reply::Working { .. } | Reply::Facts { .. } | Reply::HashIs { .. } => 502,
        Reply::LinkLeadsTo { .. } => 502,
        Reply::StageDropped | Reply::PasswordChanged | Reply::PasswordNeedsTls => 502,
    }
}

fn help_code(topic: &HelpTopic) -> u16 {
    match topic {
        HelpTopic::Verb(name) if !is_known(name) => 502,
        HelpTopic::Overview | HelpTopic::Verb(_) => 214,
    }
}

fn close_reason_code(reason: &CloseReason) -> u16 {
    match reason {
        CloseReason::Asked => 221,
        _ => 421,
    }
}

/// Codes of RFC 4217; 521 and 522 as section 12 has them. 534 is a refusal by policy (RFC 2228
/// section 3).
fn security_code(security: &SecurityReply) -> u16 {
    match security {
        SecurityReply::BufferSize | SecurityReply::Protects(_) => 200,
        SecurityReply::TlsFollows => 234,
        SecurityReply::NotOffered => 502,
        SecurityReply::AlreadyInTls | SecurityReply::OutOfOrder => 503,
        SecurityReply::DataNeedsTls => 521,
        SecurityReply::LoginNeedsTls => 530,
        SecurityReply::ControlStaysPrivate => 533,
        SecurityReply::ClearDataRefused => 534,
    }
}

fn data_code(data: &DataReply) -> u16 {
    match data {
        DataReply::Active | DataReply::PassiveOnly => 200,
        DataReply::Passive { address, form } => match form {
            PassiveForm::PortOnly(_) => 229,
            // Six numbers hold no IPv6 address.
            PassiveForm::Address if address.ip().to_canonical().is_ipv6() => 522,
            PassiveForm::Address => 227,
        },
        DataReply::NoPortFree | DataReply::PortShareTaken { .. } => 425,
        DataReply::NotPrepared | DataReply::NotOpened => 425,
        DataReply::NotSecured | DataReply::Lost | DataReply::Truncated(_) => 426,
        DataReply::PassiveOnlyInForce => 503,
        DataReply::Foreign => 504,
        DataReply::WrongFamily | DataReply::NotResumed => 522,
    }
}

fn parameter_code(parameter: &ParameterReply) -> u16 {
    match parameter {
        ParameterReply::Type(_) | ParameterReply::OnlyValue(_) | ParameterReply::Allocated(_) => {
            200
        }
        ParameterReply::Algorithm(_) | ParameterReply::Facts(_) => 200,
        ParameterReply::Restart(_) | ParameterReply::Range(_) => 350,
        ParameterReply::NotInAscii => 550,
    }
}

fn malformed_code(malformed: &Malformed) -> u16 {
    match malformed {
        Malformed::TooLong | Malformed::BadLineEnd | Malformed::UnknownVerb => 500,
        Malformed::OtherProtocol => 500,
        Malformed::BadArguments { .. } | Malformed::BadName | Malformed::NotUtf8 => 501,
        Malformed::NotImplemented => 502,
        Malformed::NotForThatArgument => 504,
        Malformed::UnknownNetwork => 522,
    }
}

/// 4yz where trying again may help (RFC 959 section 4.2.1).
#[rustfmt::skip]
fn refusal_code(operation: Operation, why: &Refusal) -> u16 {
    match why {
        Refusal::Busy | Refusal::NotReady | Refusal::Overloaded | Refusal::NoHome => 450,
        Refusal::NoAccounts | Refusal::NoFolder => 450,
        Refusal::DigestTakesLong | Refusal::Stopped => 450,
        Refusal::DiskFailed | Refusal::DiskReadOnly => 451,
        Refusal::Changed | Refusal::Fault | Refusal::TooLong | Refusal::BadFrame => 451,
        Refusal::DiskFull => 452,
        Refusal::NoAccount | Refusal::NotNow => 530,
        Refusal::TooManySessions => 421,
        Refusal::NotRecursive => 504,
        Refusal::OverQuota { .. } | Refusal::TooManyEntries => 552,
        // RFC 3659 section 7.2.1: MLSD of what is no directory.
        Refusal::NotADirectory if operation == Operation::ListDirectory => 501,
        Refusal::BadName | Refusal::NameTooLong | Refusal::IntoItself => 553,
        Refusal::Exists if operation == Operation::Store => 553,
        Refusal::BadOffset { .. } => 554,
        Refusal::NotFound | Refusal::NotADirectory | Refusal::IsADirectory | Refusal::Exists => 550,
        // Not 450: lftp then connects again and asks for ever.
        Refusal::TwoSizes => 550,
        Refusal::NotEmpty | Refusal::AboveHome | Refusal::LeadsOut | Refusal::Forbidden => 550,
        Refusal::TheHome | Refusal::NoRight(_) | Refusal::Link => 550,
        Refusal::TargetLeadsOut | Refusal::NotALink => 550,
        Refusal::ReadOnly | Refusal::NotRegular | Refusal::OtherDevice | Refusal::NoStaging => 550,
        // FTP has no command that changes a password.
        Refusal::PasswordFixed | Refusal::WrongPassword => 550,
    }
}

#[cfg(test)]
mod tests;
