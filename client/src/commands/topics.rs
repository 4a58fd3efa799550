//! Explains what is not about one command alone: the topics of `help`.

/// A topic of `help`.
pub(crate) struct Topic {
    pub name: &'static str,
    pub help: &'static str,
    pub text: TopicText,
}

/// What is said of a topic.
#[derive(Clone, Copy)]
pub(crate) enum TopicText {
    /// Paragraphs, and lines of two parts with two blanks between them.
    Words(&'static str),
    /// The table of the program's options.
    Options,
}

/// Every topic, in the order of help. One may have the name of a command, and follows its help.
pub(crate) const TOPICS: &[Topic] = &[
    Topic {
        name: "quoting",
        help: "names with blanks, patterns, several commands on a line",
        text: TopicText::Words(QUOTING),
    },
    Topic {
        name: "resume",
        help: "what becomes of interrupted transfers and lost connections",
        text: TopicText::Words(RESUME),
    },
    Topic {
        name: "scripts",
        help: "commands without a prompt, and exit codes",
        text: TopicText::Words(SCRIPTS),
    },
    Topic {
        name: "trust",
        help: "certificates, passwords, and what a server can see",
        text: TopicText::Words(TRUST),
    },
    Topic {
        name: "sync",
        help: "which way to make directories alike",
        text: TopicText::Words(SYNC),
    },
    Topic {
        name: "options",
        help: "the options of skiff itself",
        text: TopicText::Options,
    },
];

const QUOTING: &str = "\
words are parted by blanks. these belong to a word only where they are quoted:

'...'  each character is itself
\"...\"  each but \" and the backslash
\\c  the character c; \\xHH is the byte HH, as listings show one that cannot be printed
* ? [a-z]  outside quotes they match names, at the server or here, as the argument is; \
without a match the command fails
~  at the beginning of a word your home: here, or at the server
;  ends a command; so does the end of the line
|  behind what prints text the rest of the line is a command of the local shell
>  behind what prints text a file here follows
&  behind a transfer it goes on in the background; help jobs says more
-  before a command lets it fail
!  the rest of the line is the local shell's
#  at the beginning of a command: the rest is a comment

names that begin with - stand behind --. given as arguments of the program \
(skiff put nas: FILE...) names are never quoted a second time: what the shell gives is \
the name.
";

const RESUME: &str = "\
an upload that was interrupted is kept at the server, out of sight, for 24 hours where \
its operator says no other; stages lists them. a download that was interrupted is kept \
here as NAME.skiff-part. both are gone on with only where the bytes that are there have \
the same digest as the same part of the other end's file; else all is sent anew. you are \
asked; in a script, and with -c, they are gone on with unasked.

what is stored has its name only when it is whole, verified, and on the disk. until then \
the file that had the name before is there.

a connection that is lost is made again, with pauses that grow, --retry times; the \
transfer goes on where it was. of delete, rename, mkdir, ln, chmod, touch and stages -d the \
server is asked first what became of them. Ctrl-C ends it.
";

const SCRIPTS: &str = "\
commands come from -c, from the file of -f, or from standard input, one a line, or \
several with ; between them. the first that fails ends the run, unless a - stands before \
it. an error of -f tells its file and line.

nobody is asked then: interrupted transfers are resumed, and another file is replaced \
only by put -f and get -f, in trees (-r) as well; what both ends have is left as it is. \
questions of the login are asked at the terminal though input or output are piped; \
--trust and --password-file answer them.

one command can be given as arguments: skiff get nas:x ., skiff put nas:dir FILE..., \
skiff sync docs nas:docs. HOST:PATH is [user@]host[:port]:path, with an IPv6 address in \
brackets, or a host of the settings. a path is below the directory where the session \
begins; one that begins with digits and a colon is written ./1:2.

--json prints one object for each result and each error; skiff schema says which there \
are. what cat and get HOST:PATH - write stays the bytes of the file. -q prints what is asked for and what fails, and nothing else.
";

const TRUST: &str = "\
the first time that a server is met you are asked about its certificate. compare the \
fingerprint with the one that its operator tells you: skiffd writes it to its log at the \
start. it is remembered in known_hosts once the server has proven that it knows your \
password's verifier, and a changed one ends the login before anything is sent.

--trust new  trust servers that were not met before
--trust SHA256  trust this certificate and no other
fingerprint  of a host in the settings: the same for each login there

your password never crosses the wire: the server gets a proof that is bound to this \
connection. one in the settings (password_file, password_command) is used for the server \
and the user that it stands beside, and for nobody else.
";

const SYNC: &str = "\
sync makes one directory like another, in one direction: files are compared by size and \
time, or by digests with --checksum. try it with -n first: it prints the same lines and \
does nothing. put -r and get -r copy too, but replace nothing that differs without -f.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_are_told_once() {
        let mut names: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for topic in TOPICS {
            let is_good = match topic.text {
                TopicText::Words(text) => text.ends_with('\n') && text.is_ascii(),
                TopicText::Options => true,
            };
            assert!(is_good, "{}", topic.name);
        }
    }
}
