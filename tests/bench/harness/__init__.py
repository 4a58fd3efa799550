"""The benchmark: what is measured against whom, and how it is told.

    main      the command line; from binaries to RESULTS.md
    bench     one run's folder, user, certificate and files
    process   a server's processes: CPU, memory, beginning and end
    servers   what all servers have in common; skiffd; the generator's own ceiling
    peers     vsftpd, pure-ftpd, proftpd, pyftpdlib, unftp, each with its settings
    load      one measurement by bench-load, and the server's CPU within it
    rows      the figures: what is done, and what bounds it
    amounts   how much of it
    kinds     how each kind of figure is taken
    crowd     many sessions of which few are busy
    native    put and get by skiff, beside sftp, alone and with sha256sum
    trees     small files by skiff, by sftp, and by lftp over FTPS; at hand and far away
    link      a line with a delay, in a network namespace of its own; delay: what holds its packets
    limits    what the machine itself allows
    rounds    who is measured when
    report    tables
    plot      curves as SVG

A figure is taken for all servers in a round before the next figure begins, each round begins with
another server, and what is told is the median, least and most of the rounds. What takes a moment is
taken more than once in a round, by turns, and the median is the round's figure: a tenth of a second
is at the mercy of whatever else the machine does in it. What takes minutes is taken in the first
round only, and what waits for a server that is slow at it ends after three seconds. Servers are
compared within a round, because the machine's speed may drift by as much as the servers differ. CPU
is the server's alone, of all its processes, from a control group where one can be made; it says more
than time on a machine that the generator shares. Memory is that of a server of its own, started from
a copy of its program, so that no other has a share in it.
"""
