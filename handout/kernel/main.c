// main.c - boot: hart 0 sets the kernel up, the others join, and all go to the scheduler.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "defs.h"

static int up;   // hart 0 has set all up

// Order matters where it is not alphabetical: the console first, to be able to say what fails;
// frames before page tables; the disk's interrupts after the controller.
static void
setup(void)
{
  consoleinit();
  powerinit();
  printf("\nxv6 kernel is booting\n\n");
  kinit();
  kvminit();
  kvminithart();
  procinit();
  trapinithart();
  plicinit();
  binit();
  iinit();
  fileinit();
  virtio_disk_init();
  userinit();
}

// Called by start.c on every hart, in supervisor mode.
void
main(void)
{
  if (cpuid() == 0) {
    setup();
    __atomic_store_n(&up, 1, __ATOMIC_RELEASE);
  } else {
    while (!__atomic_load_n(&up, __ATOMIC_ACQUIRE))
      ;
    kvminithart();
    trapinithart();
    printf("hart %d starting\n", cpuid());
  }
  scheduler();
}
