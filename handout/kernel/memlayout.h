// memlayout.h - where things lie, in physical and in virtual memory.
#pragma once

// Physical addresses of QEMU's virt machine (hw/riscv/virt.c, its memory map).
#define FINISHER    0x00100000L   // test finisher: a write ends the machine
#define CLINT       0x02000000L   // core-local interruptor: for each hart a software interrupt bit,
#define CLINT_MSIP(hart) (CLINT + 4 * (hart))
#define CLINT_MTIMECMP(hart) (CLINT + 0x4000 + 8 * (hart))   // and when machine mode's timer interrupts
#define PLIC        0x0c000000L   // platform-level interrupt controller
#define PLIC_SIZE   0x04000000L
#define UART0       0x10000000L   // 16550 serial port
#define UART0_IRQ   10
#define VIRTIO0     0x10001000L   // first virtio-mmio slot
#define VIRTIO0_IRQ 1
#define KERNBASE    0x80000000L   // RAM; the kernel is loaded here
#define PHYSTOP     (KERNBASE + 128 * 1024 * 1024)

// Virtual addresses. The kernel sees physical memory at its own addresses,
// and these pages at the top, in its own and in every user page table:
//   TRAMPOLINE   code that changes between user and kernel page table
//   TRAPFRAME    (user only) where the trampoline saves the registers
//   KSTACK(i)    (kernel only) stack of process slot i, above an unmapped guard page
#define TRAMPOLINE  (MAXVA - PGSIZE)
#define TRAPFRAME   (TRAMPOLINE - PGSIZE)
#define KSTACK(i)   (TRAMPOLINE - ((i) + 1) * (KSTACKPAGES + 1) * PGSIZE)

// User memory: text and data from 0, a guard page, the stack, the heap up to p->sz.
// TODO(task 2): MMAPBASE 0x40000000L and MMAPTOP 0x80000000L, the range of mappings. See docs/task2.md.
