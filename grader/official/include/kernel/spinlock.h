// spinlock.h - mutual exclusion between harts.
#pragma once

struct spinlock {
  uint        locked;
  struct cpu *cpu;    // the hart that holds it
  char       *name;   // for panics
};
