// plic.c - the interrupt controller of the devices
// (RISC-V Platform-Level Interrupt Controller Specification, "Memory Map").
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "defs.h"

#define REG(offset) (*(volatile uint32 *)(PLIC + (offset)))

// Each hart has two contexts, for machine and for supervisor mode. All devices go to the
// supervisor mode of hart 0: waking every hart for each interrupt gains nothing.
#define CONTEXT       1
#define PRIORITY(irq) REG(4 * (irq))
#define ENABLE        REG(0x2000 + 0x80 * CONTEXT)
#define THRESHOLD     REG(0x200000 + 0x1000 * CONTEXT)
#define CLAIM         REG(0x200004 + 0x1000 * CONTEXT)

void
plicinit(void)
{
  PRIORITY(UART0_IRQ) = 1;
  PRIORITY(VIRTIO0_IRQ) = 1;
  ENABLE = 1 << UART0_IRQ | 1 << VIRTIO0_IRQ;
  THRESHOLD = 0;
}

// The device that interrupts, or 0 if none does.
int
plic_claim(void)
{
  return CLAIM;
}

// This interrupt is served.
void
plic_complete(int irq)
{
  CLAIM = irq;
}
