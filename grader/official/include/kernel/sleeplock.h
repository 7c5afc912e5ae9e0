// sleeplock.h - mutual exclusion between processes; its holder may sleep.
#pragma once

struct sleeplock {
  uint            locked;
  struct spinlock lk;       // protects the other fields
  char           *name;     // for panics
  int             pid;      // the process that holds it
  int             waiting;  // processes that sleep for it
};
