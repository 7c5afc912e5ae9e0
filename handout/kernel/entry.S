# entry.S - the first instructions of every hart: get a stack, then call start().
#include "param.h"

.section .text.entry
.global _entry
_entry:
        csrr    tp, mhartid
        li      t0, NCPU
        bgeu    tp, t0, park            # more harts than the tables have room for

        la      sp, bootstack           # sp = bootstack + (hart + 1) * BOOTSTACK
        li      t0, BOOTSTACK
        addi    t1, tp, 1
        mul     t0, t0, t1
        add     sp, sp, t0
        li      fp, 0                   # a backtrace ends here
        call    start
park:
        wfi
        j       park

.section .bss
.balign 16
.global bootstack
bootstack:
        .space  BOOTSTACK * NCPU
