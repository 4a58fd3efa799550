//! The system calls of the daemon, with the reason for each group. All others are answered ENOSYS.
//!
//! `tests/syscalls` runs the test suite under strace and prints what it finds missing here. Calls
//! that one C library, processor or kernel uses instead of another's stand beside it: a call too
//! few would break the daemon on somebody's machine only.

/// A system call: its name, and its number on this processor.
pub(super) type Call = (&'static str, i64);

/// Calls that are allowed whatever their arguments, for one reason.
pub(super) struct Group {
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers, and a test"))]
    pub(super) reason: &'static str,
    pub(super) calls: &'static [Call],
}

macro_rules! calls {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), libc::$name)),*]
    };
}

pub(super) const GROUPS: &[Group] = &[
    Group {
        reason: "content of files: uploads, downloads, digests, ledgers, logs",
        calls: calls![
            SYS_read,
            SYS_readv,
            SYS_pread64,
            SYS_preadv,
            SYS_preadv2,
            SYS_write,
            SYS_writev,
            SYS_pwrite64,
            SYS_pwritev,
            SYS_pwritev2,
            SYS_lseek,
            SYS_ftruncate,
            SYS_fallocate,
            SYS_fadvise64,
            SYS_readahead,
            SYS_fsync,
            SYS_fdatasync,
            SYS_sync_file_range,
            SYS_syncfs,
            SYS_copy_file_range,
            SYS_sendfile,
            SYS_splice,
            SYS_tee,
        ],
    },
    Group {
        reason: "names of files: the jail, staging, listings; Landlock and the jail say which",
        calls: calls![
            SYS_openat,
            SYS_openat2,
            SYS_close,
            SYS_close_range,
            SYS_fstat,
            SYS_newfstatat,
            SYS_statx,
            SYS_statfs,
            SYS_fstatfs,
            SYS_getdents64,
            SYS_readlinkat,
            SYS_faccessat,
            SYS_faccessat2,
            SYS_getcwd,
            SYS_mkdirat,
            SYS_unlinkat,
            SYS_renameat,
            SYS_renameat2,
            SYS_linkat,
            SYS_symlinkat,
        ],
    },
    Group {
        reason: "attributes of files: modes, groups, times, remembered digests, locks",
        calls: calls![
            SYS_fchmod,
            SYS_fchmodat,
            SYS_fchown,
            SYS_fchownat,
            SYS_utimensat,
            SYS_umask,
            SYS_getxattr,
            SYS_lgetxattr,
            SYS_fgetxattr,
            SYS_listxattr,
            SYS_llistxattr,
            SYS_flistxattr,
            SYS_setxattr,
            SYS_lsetxattr,
            SYS_fsetxattr,
            SYS_removexattr,
            SYS_lremovexattr,
            SYS_fremovexattr,
            SYS_flock,
        ],
    },
    Group {
        reason: "changes of the user store are seen by inotify(7)",
        calls: calls![
            SYS_inotify_init1,
            SYS_inotify_add_watch,
            SYS_inotify_rm_watch,
        ],
    },
    Group {
        reason: "descriptors: duplicates, pipes, flags",
        calls: calls![SYS_dup, SYS_dup3, SYS_pipe2, SYS_fcntl],
    },
    Group {
        reason: "waiting: the reactor's epoll, its timer and waker, a worker's poll on its socket",
        calls: calls![
            SYS_epoll_create1,
            SYS_epoll_ctl,
            SYS_epoll_pwait,
            SYS_epoll_pwait2,
            SYS_ppoll,
            SYS_pselect6,
            SYS_eventfd2,
            SYS_timerfd_create,
            SYS_timerfd_settime,
            SYS_timerfd_gettime,
        ],
    },
    Group {
        reason: "sockets: sessions, data connections, control, metrics, the service manager, names",
        calls: calls![
            SYS_bind,
            SYS_listen,
            SYS_accept,
            SYS_accept4,
            SYS_connect,
            SYS_getsockname,
            SYS_getpeername,
            SYS_getsockopt,
            SYS_setsockopt,
            SYS_shutdown,
            SYS_sendto,
            SYS_recvfrom,
            SYS_sendmsg,
            SYS_recvmsg,
            SYS_sendmmsg,
            SYS_recvmmsg,
        ],
    },
    Group {
        reason: "memory",
        calls: calls![
            SYS_munmap,
            SYS_mremap,
            SYS_madvise,
            SYS_brk,
            SYS_membarrier,
            SYS_mincore,
        ],
    },
    Group {
        reason: "threads: workers, recounts, their locks, their processors and priorities",
        calls: calls![
            SYS_exit,
            SYS_exit_group,
            SYS_futex,
            SYS_futex_waitv,
            SYS_set_robust_list,
            SYS_get_robust_list,
            SYS_rseq,
            SYS_set_tid_address,
            SYS_gettid,
            SYS_getpid,
            SYS_getppid,
            SYS_getcpu,
            SYS_sched_yield,
            SYS_sched_getaffinity,
            SYS_sched_setaffinity,
            SYS_sched_getparam,
            SYS_sched_getscheduler,
            SYS_getpriority,
            SYS_setpriority,
        ],
    },
    Group {
        reason: "signals: the handlers of SIGTERM and SIGHUP, stack guards, abort(3)",
        calls: calls![
            SYS_rt_sigaction,
            SYS_rt_sigprocmask,
            SYS_rt_sigreturn,
            SYS_rt_sigpending,
            SYS_rt_sigtimedwait,
            SYS_sigaltstack,
            SYS_restart_syscall,
            SYS_tgkill,
            SYS_tkill,
        ],
    },
    Group {
        reason: "time",
        calls: calls![
            SYS_clock_gettime,
            SYS_clock_getres,
            SYS_clock_nanosleep,
            SYS_nanosleep,
            SYS_gettimeofday,
        ],
    },
    Group {
        reason: "questions about the process and the machine, and random bytes",
        calls: calls![
            SYS_getrandom,
            SYS_getuid,
            SYS_geteuid,
            SYS_getgid,
            SYS_getegid,
            SYS_getgroups,
            SYS_getresuid,
            SYS_getresgid,
            SYS_getrusage,
            SYS_sysinfo,
            SYS_uname,
            SYS_times,
        ],
    },
    Group {
        reason: "calls that the libraries of this processor use instead of those above",
        calls: OF_THE_PROCESSOR,
    },
];

/// The older calls, which musl still makes, and those that glibc's readers of limits make.
#[cfg(target_arch = "x86_64")]
const OF_THE_PROCESSOR: &[Call] = calls![
    SYS_open,
    SYS_creat,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_getdents,
    SYS_readlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_rename,
    SYS_link,
    SYS_symlink,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_dup2,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_getrlimit,
    SYS_time,
    // fchmodat(3) with AT_SYMLINK_NOFOLLOW.
    SYS_fchmodat2,
];

#[cfg(target_arch = "aarch64")]
const OF_THE_PROCESSOR: &[Call] = &[
    ("SYS_getrlimit", 163),
    // fchmodat(3) with AT_SYMLINK_NOFOLLOW.
    ("SYS_fchmodat2", 452),
];
