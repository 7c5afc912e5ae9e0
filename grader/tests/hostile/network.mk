# Calls a program of this machine, by its port and by an abstract name, asks for a name, and sends a datagram.
# expect: graded
# log: no call: .*\n(?s:.*)no name: .*\n(?s:.*)no way: .*\n(?s:.*)no such host

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	-perl -MIO::Socket -e 'print IO::Socket::INET->new(PeerAddr => "127.0.0.1:@PORT@", Timeout => 2) ? "called\n" : "no call: $$@\n"'
	-perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); print connect(S, pack_sockaddr_un("\0@NAME@")) ? "called\n" : "no name: $$!\n"'
	-perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0); print send(S, "x", 0, pack_sockaddr_in(53, inet_aton("192.0.2.1"))) ? "sent\n" : "no way: $$!\n"'
	-getent hosts example.org || echo no such host
