# Writes wherever it can think of.
# expect: graded
# log: cannot create /usr/bin/intruder

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	-for d in / /usr /usr/bin /usr/local /etc /opt /dev /dev/shm /proc/self /var/tmp @VICTIM@ @RESULTS@ @HOME@ @CACHE@ /ccache /masks; do echo x > $$d/intruder; done
