//! The wall around the kernel: a seccomp(2) filter that answers ENOSYS to every system call but the
//! daemon's own (`syscalls/table.rs`).
//!
//! ENOSYS is what a kernel answers that has no such call: libraries then do without it, which they
//! do not after EPERM, and nothing ends the process in the middle of an upload. The kernel logs
//! such answers only for filters that ask for it, which `seccompiler` does not:
//! `strace -f -e status=failed -p PID`, as root, shows them by name.

mod table;

use std::collections::BTreeMap;

use rustix::process::geteuid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

use skiff_conf::FileOwners;

use self::table::{Call, GROUPS};

/// A call that is allowed only where all conditions of one of its rules hold.
struct Conditional {
    call: Call,
    rules: fn() -> Result<Vec<SeccompRule>, BackendError>,
}

macro_rules! conditional {
    ($name:ident, $rules:expr) => {
        Conditional {
            call: (stringify!($name), libc::$name),
            rules: $rules,
        }
    };
}

const CONDITIONAL: [Conditional; 8] = [
    conditional!(SYS_socket, socket_families),
    conditional!(SYS_socketpair, socket_families),
    conditional!(SYS_clone, threads_only),
    conditional!(SYS_prctl, names_and_start),
    conditional!(SYS_mmap, not_written_and_executed),
    conditional!(SYS_mprotect, not_executed),
    conditional!(SYS_ioctl, harmless_requests),
    conditional!(SYS_prlimit64, limits_are_only_read),
];

/// What lets threads work as the owners of files; their groups are in memory, where no filter looks.
const OF_OWNERS: [Conditional; 2] = [
    conditional!(SYS_setresuid, only_the_effective_id),
    conditional!(SYS_setresgid, only_the_effective_id),
];
const GROUPS_OF_OWNERS: Call = ("SYS_setgroups", libc::SYS_setgroups);

/// Installs the filter for the calling thread and all that it starts. The caller has set
/// no_new_privs.
pub(super) fn restrict(owners: FileOwners) -> Result<(), String> {
    let program = program(owners)?;
    seccompiler::apply_filter(&program).map_err(|error| format!("was refused: {error}"))
}

fn program(owners: FileOwners) -> Result<BpfProgram, String> {
    let build = || {
        let processor = std::env::consts::ARCH.try_into()?;
        let rest = SeccompAction::Errno(libc::ENOSYS as u32);
        SeccompFilter::new(rules(owners)?, rest, SeccompAction::Allow, processor)?.try_into()
    };
    build().map_err(|error: BackendError| format!("cannot be built: {error}"))
}

fn rules(owners: FileOwners) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let always = GROUPS.iter().flat_map(|group| group.calls);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        always.map(|&(_, number)| (number, Vec::new())).collect();
    let of_owners = match owners {
        FileOwners::Daemon => &[][..],
        FileOwners::Accounts => {
            rules.insert(GROUPS_OF_OWNERS.1, Vec::new());
            &OF_OWNERS
        }
    };
    for conditional in CONDITIONAL.iter().chain(of_owners) {
        rules.insert(conditional.call.1, (conditional.rules)()?);
    }
    Ok(rules)
}

/// The real and the saved id stay, and no thread becomes root's but that of a daemon that is root.
fn only_the_effective_id() -> Result<Vec<SeccompRule>, BackendError> {
    const UNCHANGED: u64 = u32::MAX as u64;
    let mut conditions = vec![equal(0, UNCHANGED)?, equal(2, UNCHANGED)?];
    if !geteuid().is_root() {
        let not_root = SeccompCmpOp::Ne;
        conditions.push(SeccompCondition::new(
            1,
            SeccompCmpArgLen::Dword,
            not_root,
            0,
        )?);
    }
    Ok(vec![SeccompRule::new(conditions)?])
}

/// Netlink is how the C library learns the machine's addresses when it resolves a name.
fn socket_families() -> Result<Vec<SeccompRule>, BackendError> {
    let families = [
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_UNIX,
        libc::AF_NETLINK,
    ];
    let families = families.map(|family| equal(0, family as u64));
    families.into_iter().map(rule).collect()
}

/// No processes, and no namespaces. clone3(2) hides its flags from filters and is answered ENOSYS,
/// after which the C libraries make this call.
fn threads_only() -> Result<Vec<SeccompRule>, BackendError> {
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    let thread = libc::CLONE_THREAD as u64;
    let mask = namespaces as u32 as u64 | thread;
    Ok(vec![rule(masked(0, mask, thread))?])
}

/// The names of threads and of mappings, and what the kernel told the process at its start, which
/// rustix asks for.
fn names_and_start() -> Result<Vec<SeccompRule>, BackendError> {
    const PR_SET_VMA: u64 = 0x53_56_4d_41;
    const PR_GET_AUXV: u64 = 0x41_55_58_56;
    let options = [
        libc::PR_SET_NAME as u64,
        libc::PR_GET_NAME as u64,
        PR_SET_VMA,
        PR_GET_AUXV,
    ];
    options
        .map(|option| equal(0, option))
        .into_iter()
        .map(rule)
        .collect()
}

/// The loader maps libraries that name resolution asks for, to execute but not to write.
fn not_written_and_executed() -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![
        rule(masked(2, libc::PROT_EXEC as u64, 0))?,
        rule(masked(2, libc::PROT_WRITE as u64, 0))?,
    ])
}

fn not_executed() -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![rule(masked(2, libc::PROT_EXEC as u64, 0))?])
}

/// Non-blocking sockets, bytes that wait, whether standard error is a terminal, clones of files.
#[allow(
    clippy::unnecessary_cast,
    reason = "each C library has its own type of requests"
)]
fn harmless_requests() -> Result<Vec<SeccompRule>, BackendError> {
    const FICLONE: u64 = 0x4004_9409;
    const FICLONERANGE: u64 = 0x4020_940d;
    let requests = [
        libc::FIONBIO as u64,
        libc::FIOCLEX as u64,
        libc::FIONREAD as u64,
        libc::TCGETS as u64,
        libc::TIOCGWINSZ as u64,
        FICLONE,
        FICLONERANGE,
    ];
    requests
        .map(|request| equal(1, request))
        .into_iter()
        .map(rule)
        .collect()
}

fn limits_are_only_read() -> Result<Vec<SeccompRule>, BackendError> {
    let none = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0);
    Ok(vec![rule(none)?])
}

fn equal(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    let operator = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn rule(condition: Result<SeccompCondition, BackendError>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition?])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use rustix::io::Errno;

    use super::*;

    /// What whoever takes the process over would want most.
    const NEVER: &[Call] = &[
        ("execve", libc::SYS_execve),
        ("execveat", libc::SYS_execveat),
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("move_mount", libc::SYS_move_mount),
        ("open_tree", libc::SYS_open_tree),
        ("pivot_root", libc::SYS_pivot_root),
        ("chroot", libc::SYS_chroot),
        ("unshare", libc::SYS_unshare),
        ("setns", libc::SYS_setns),
        ("bpf", libc::SYS_bpf),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("keyctl", libc::SYS_keyctl),
        ("add_key", libc::SYS_add_key),
        ("request_key", libc::SYS_request_key),
        ("init_module", libc::SYS_init_module),
        ("finit_module", libc::SYS_finit_module),
        ("delete_module", libc::SYS_delete_module),
        ("kexec_load", libc::SYS_kexec_load),
        ("reboot", libc::SYS_reboot),
        ("swapon", libc::SYS_swapon),
        ("acct", libc::SYS_acct),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("mknodat", libc::SYS_mknodat),
        ("memfd_create", libc::SYS_memfd_create),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("setuid", libc::SYS_setuid),
        ("setresuid", libc::SYS_setresuid),
        ("setgroups", libc::SYS_setgroups),
        ("capset", libc::SYS_capset),
        ("seccomp", libc::SYS_seccomp),
        ("personality", libc::SYS_personality),
        ("clone3", libc::SYS_clone3),
    ];

    #[test]
    fn what_an_intruder_wants_is_in_no_group() {
        let rules = rules(FileOwners::Daemon).unwrap();
        for (name, number) in NEVER {
            assert!(!rules.contains_key(number), "{name}");
        }
    }

    #[test]
    fn no_call_stands_twice_and_each_group_has_a_reason() {
        let mut seen = BTreeSet::new();
        let conditional = CONDITIONAL.iter().chain(&OF_OWNERS);
        let conditional = conditional.map(|conditional| &conditional.call);
        for (name, number) in GROUPS
            .iter()
            .flat_map(|group| group.calls)
            .chain(conditional)
        {
            assert!(seen.insert(number), "{name}");
        }
        assert!(GROUPS.iter().all(|group| !group.reason.is_empty()));
    }

    /// Runs `body` on a thread behind the filter.
    fn filtered<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
        filtered_for(FileOwners::Daemon, body)
    }

    fn filtered_for<T: Send + 'static>(
        owners: FileOwners,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let thread = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).unwrap();
            restrict(owners).unwrap();
            body()
        });
        thread.join().unwrap()
    }

    #[test]
    fn other_calls_are_answered_as_by_a_kernel_without_them() {
        let (executed, user, memory) = filtered(|| {
            (
                std::process::Command::new("/bin/true").spawn(),
                rustix::thread::set_thread_uid(rustix::process::getuid()),
                rustix::fs::memfd_create("code", rustix::fs::MemfdFlags::empty()),
            )
        });
        let is_missing = |error: io::Error| Errno::from_io_error(&error) == Some(Errno::NOSYS);
        assert!(executed.is_err_and(is_missing));
        assert_eq!(user, Err(Errno::NOSYS));
        assert_eq!(memory.err(), Some(Errno::NOSYS));
    }

    #[test]
    fn where_files_have_owners_only_the_effective_ids_change() {
        let tried = filtered_for(FileOwners::Accounts, || {
            let (own, group) = (geteuid(), rustix::process::getegid());
            [
                rustix::thread::set_thread_res_uid(None, own, None),
                rustix::thread::set_thread_res_gid(None, group, None),
                rustix::thread::set_thread_res_uid(own, own, own),
                rustix::thread::set_thread_res_uid(None, None, own),
                rustix::thread::set_thread_uid(own),
            ]
        });
        let missing = Err(Errno::NOSYS);
        assert_eq!(tried, [Ok(()), Ok(()), missing, missing, missing]);
    }

    #[test]
    fn threads_sockets_and_files_work_as_before() {
        filtered(|| {
            let place = tempfile::tempdir().unwrap();
            std::fs::write(place.path().join("file"), "content").unwrap();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            listener.set_nonblocking(true).unwrap();
            let client = std::thread::spawn(move || std::net::TcpStream::connect(address));
            client.join().unwrap().unwrap();
            let packet = rustix::net::socket(
                rustix::net::AddressFamily::PACKET,
                rustix::net::SocketType::RAW,
                None,
            );
            assert_eq!(packet.err(), Some(Errno::NOSYS));
        });
    }
}
