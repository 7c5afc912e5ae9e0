// uart.c - the serial port, a 16550 (PC16550D data sheet, "Registers").
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "proc.h"
#include "defs.h"

#define REG(n) (*(volatile uchar *)(UART0 + (n)))
#define RBR REG(0)              // read: the received byte
#define THR REG(0)              // write: the byte to send
#define IER REG(1)              // interrupt enable
#define  IER_RX    0x01
#define FCR REG(2)              // FIFO control
#define  FCR_ON    0x01
#define  FCR_CLEAR 0x06
#define LCR REG(3)              // line control
#define  LCR_8BITS 0x03
#define  LCR_DLAB  0x80         // registers 0 and 1 are the divisor
#define LSR REG(5)              // line status
#define  LSR_RX    0x01         // a byte was received
#define  LSR_THRE  0x20         // the send FIFO is empty

#define FIFO 16                 // bytes that it holds

static struct spinlock txlock;  // one writer at a time, so lines stay whole

// 38400 baud, 8 data bits, interrupts for received bytes only.
void
uartinit(void)
{
  initlock(&txlock, "uart");
  IER = 0;
  LCR = LCR_DLAB;
  REG(0) = 3;
  REG(1) = 0;
  LCR = LCR_8BITS;
  FCR = FCR_ON | FCR_CLEAR;
  IER = IER_RX;
}

// Send the n bytes at s; other harts' output comes before or after them.
// After a panic only the hart that panicked is heard; it takes no lock.
void
uartwrite(const char *s, int n)
{
  push_off();
  int mine = panicked == cpuid() + 1;
  if (!mine)
    acquire(&txlock);
  while (panicked && !mine)
    ;
  while (n > 0) {
    while ((LSR & LSR_THRE) == 0)
      ;
    for (int room = FIFO; room > 0 && n > 0; room--, n--)
      THR = *s++;
  }
  if (!mine)
    release(&txlock);
  pop_off();
}

// The serial port interrupts: bytes were typed.
void
uartintr(void)
{
  while (LSR & LSR_RX)
    consoleintr(RBR);
}
