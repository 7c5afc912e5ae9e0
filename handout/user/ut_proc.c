// ut_proc.c - tests of usertests: fork, exit, wait, kill, time, and registers.
#include "user/ut.h"

static void
exit_status(void)
{
  static const int values[] = {0, 1, -1, 42, 255, 256, 65536, 0x7fffffff, -0x7fffffff - 1};
  for (int i = 0; i < COUNT(values); i++) {
    int pid = child();
    if (pid == 0)
      exit(values[i]);
    ends(pid, values[i]);
  }
}

static void
wait_rules(void)
{
  equal(wait(0), -1, "wait without a child");
  int pid = child();
  if (pid == 0) {
    int inner = child();
    if (inner == 0)
      exit(2);
    ends(inner, 2);
    exit(1);
  }
  equal(wait((int *)0), pid, "wait with a null pointer");
  equal(wait(0), -1, "wait for a grandchild");
}

// Hundreds of children one after another: their numbers differ, and fork tells them right.
static void
fork_in_sequence(void)
{
  int last = getpid();
  for (int i = 0; i < 500; i++) {
    int pid = child();
    if (pid == 0)
      exit(getpid());
    expect(pid != last, "fork gave %d twice", pid);
    ends(pid, pid);
    last = pid;
  }
}

// The number of processes in a tree whose inner ones have three children each.
static int
tree(int depth)
{
  int count = 1;
  for (int i = 0; depth > 0 && i < 3; i++)
    if (child() == 0)
      exit(tree(depth - 1));
  for (int status; wait(&status) > 0;)
    count += status;
  return count;
}

static void
fork_in_tree(void)
{
  for (int round = 0; round < 10; round++)
    equal(tree(3), 1 + 3 + 9 + 27, "processes in a tree");
}

// After fork each process has memory of its own: data, stack and heap.
static void
fork_copies(void)
{
  static int data = 5;
  int stack = 6;
  char *heap = sbrk(3 * PGSIZE);
  int turn[2];
  newpipe(turn);
  paint(heap, 3 * PGSIZE, 1, 0);

  int pid = child();
  if (pid == 0) {
    data = stack = 0;
    paint(heap, 3 * PGSIZE, 2, 0);
    mustwrite(turn[1], "x", 1);
    pause(1);
    equal(data + stack, 0, "child's data and stack");
    painted(heap, 3 * PGSIZE, 2, 0, "child's heap");
    exit(0);
  }
  equal(read(turn[0], buf, 1), 1, "read of a pipe");
  expect(*(volatile int *)&data == 5 && *(volatile int *)&stack == 6, "a child changed its parent's data");
  painted(heap, 3 * PGSIZE, 1, 0, "parent's heap");
  paint(heap, 3 * PGSIZE, 3, 0);
  ends(pid, 0);
}

// Two children end at the same moment; each is waited for once, with its own status.
static void
exit_together(void)
{
  for (int round = 0; round < 100; round++) {
    int gate[2], pids[2], status, sum = 0;
    newpipe(gate);
    for (int i = 0; i < 2; i++) {
      if ((pids[i] = child()) == 0) {
        close(gate[1]);
        read(gate[0], buf, 1);
        exit(10 + i);
      }
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < 2; i++) {
      int pid = wait(&status);
      expect(pid == pids[0] || pid == pids[1], "wait gave %d, which is no child", pid);
      equal(status, pid == pids[0] ? 10 : 11, "a child's exit status");
      sum += status;
    }
    equal(sum, 21, "sum of both statuses");
    equal(wait(0), -1, "wait for a third child");
  }
}

// Start n children whose parent is init. Each tells its number to report, runs, and ends.
static void
orphans(int n, int report, body run)
{
  int pid = child();
  if (pid == 0) {
    for (int i = 0; i < n; i++) {
      if (child() == 0) {
        int self = getpid();
        mustwrite(report, &self, sizeof(self));
        run(i);
        exit(0);
      }
    }
    exit(0);
  }
  ends(pid, 0);
}

static void
nothing(long unused)
{
}

// Parent, child and grandchildren all end at once: nobody hangs, nobody stays. The table has room for
// a whole wave, even if init, who waits for the grandchildren, gets no turn until its end.
static void
exit_with_children(void)
{
  for (int wave = 0; wave < 4; wave++) {
    int report[2], pids[45];
    newpipe(report);
    for (int made = 0; made < COUNT(pids); made += 3)
      orphans(3, report[1], nothing);
    close(report[1]);
    equal(readfull(report[0], pids, sizeof(pids)), sizeof(pids), "bytes from the orphans");
    equal(read(report[0], buf, 1), 0, "read of a pipe whose writers have all ended");
    close(report[0]);
    for (int i = 0; i < COUNT(pids); i++)
      gone(pids[i]);
  }
}

static void
spin(long unused)
{
  for (;;)
    asm volatile("");
}

// As spin, with system calls: a kill is seen at once, not at the next tick.
static void
busy(long unused)
{
  for (;;)
    getpid();
}

static int leash[2];   // a pipe; whoever waits on it goes on when its writers have ended

static void
onleash(long unused)
{
  char c;
  close(leash[1]);
  while (read(leash[0], &c, 1) == 1)
    ;
}

// init waits for those whose parents have ended.
static void
orphans_reaped(void)
{
  for (int round = 0; round < 5; round++) {
    int report[2], pids[6];
    newpipe(report);
    newpipe(leash);
    orphans(COUNT(pids), report[1], onleash);
    equal(readfull(report[0], pids, sizeof(pids)), sizeof(pids), "bytes from the orphans");
    close(leash[0]);
    close(leash[1]);
    close(report[1]);
    equal(read(report[0], buf, 1), 0, "read of a pipe whose writers have all ended");
    close(report[0]);
    for (int i = 0; i < COUNT(pids); i++)
      gone(pids[i]);
  }
}

// The same for those that ended first, and that their parent never waited for.
static void
zombies_reaped(void)
{
  int report[2], pids[3];
  newpipe(report);
  int pid = child();
  if (pid == 0) {
    for (int i = 0; i < COUNT(pids); i++) {
      if ((pids[i] = child()) == 0)
        exit(0);
    }
    pause(1);
    mustwrite(report[1], pids, sizeof(pids));
    exit(0);
  }
  ends(pid, 0);
  equal(readfull(report[0], pids, sizeof(pids)), sizeof(pids), "bytes from their parent");
  for (int i = 0; i < COUNT(pids); i++)
    gone(pids[i]);
}

static void
orphans_killed(void)
{
  int report[2], pids[4];
  newpipe(report);
  orphans(COUNT(pids), report[1], spin);
  equal(readfull(report[0], pids, sizeof(pids)), sizeof(pids), "bytes from the orphans");
  for (int i = 0; i < COUNT(pids); i++)
    equal(kill(pids[i]), 0, "kill of an orphan");
  close(report[1]);
  equal(read(report[0], buf, 1), 0, "read of a pipe whose writers have all been killed");
  for (int i = 0; i < COUNT(pids); i++)
    gone(pids[i]);
}

// Ways to be blocked, or not, when kill comes.
static void
inpause(long unused)
{
  for (;;)
    pause(100000);
}

static void
inread(long unused)
{
  int end[2];
  newpipe(end);
  read(end[0], buf, 1);
}

static void
inwrite(long unused)
{
  int end[2];
  newpipe(end);
  for (;;)
    write(end[1], buf, BUFSIZE);
}

static void
inwait(long unused)
{
  newpipe(leash);
  if (child() == 0) {
    onleash(0);
    exit(0);
  }
  wait(0);
}

static void
inforks(long unused)
{
  for (;;) {
    if (fork() == 0)
      exit(0);
    wait(0);
  }
}

static void
infiles(long seed)
{
  char *name = numbered("k", seed);
  for (;;) {
    save(name, seed, 3000);
    unlink(name);
  }
}

static void
kill_anywhere(void)
{
  static const body states[] = {inpause, inread, inwrite, inwait, inforks, infiles, busy};
  int started[2];
  newpipe(started);
  for (int round = 0; round < 8; round++) {
    for (int i = 0; i < COUNT(states); i++) {
      int pid = child();
      if (pid == 0) {
        mustwrite(started[1], "x", 1);
        states[i](round);
        exit(0);
      }
      equal(read(started[0], buf, 1), 1, "read of a pipe");
      if (round == 0)
        pause(1);
      for (volatile int delay = round * 4000; delay > 0; delay--)
        ;
      equal(kill(pid), 0, "kill");
      ends(pid, -1);
    }
  }
}

// kill comes so early that the child may not have run yet.
static void
kill_newborn(void)
{
  for (int round = 0; round < 300; round++) {
    int pid = child();
    if (pid == 0)
      busy(0);
    for (volatile int delay = round % 50 * 20; delay > 0; delay--)
      ;
    equal(kill(pid), 0, "kill");
    ends(pid, -1);
  }
}

// A process that never enters the kernel by itself.
static void
kill_spinning(void)
{
  for (int round = 0; round < 60; round++) {
    int pid = child();
    if (pid == 0)
      spin(0);
    for (volatile int delay = round % 20 * 500; delay > 0; delay--)
      ;
    equal(kill(pid), 0, "kill");
    ends(pid, -1);
  }
}

// Several killers, one victim; and a process that kills itself.
static void
kill_together(void)
{
  for (int round = 0; round < 40; round++) {
    int victim = child();
    if (victim == 0)
      busy(0);
    int killers = 0;
    for (; killers < 4; killers++) {
      if (child() == 0) {
        kill(victim);
        exit(0);
      }
    }
    for (int status, pid; (pid = wait(&status)) > 0;)
      equal(status, pid == victim ? -1 : 0, "a child's exit status");
    int pid = child();
    if (pid == 0) {
      kill(getpid());
      busy(0);
    }
    ends(pid, -1);
  }
}

// Numbers of no process; and one that has ended already, whose status stands.
static void
kill_nobody(void)
{
  int alive[2];
  newpipe(alive);
  int pid = child();
  if (pid == 0)
    exit(5);
  close(alive[1]);
  equal(read(alive[0], buf, 1), 0, "read of a pipe whose writers have all ended");
  kill(pid);
  ends(pid, 5);

  int nobody[] = {pid, -1, 0, 0x7fffffff, -0x7fffffff - 1};
  for (int i = 0; i < COUNT(nobody); i++)
    expect(kill(nobody[i]) == -1, "kill of process %d, which is not there: expected -1", nobody[i]);
}

static void
time_passes(void)
{
  int start = uptime();
  equal(pause(2), 0, "pause");
  expect(uptime() - start >= 2, "pause(2) took %d ticks", uptime() - start);
  for (int i = 0, last = uptime(); i < 3000; i++) {
    int now = uptime();
    expect(now >= last, "uptime went from %d back to %d", last, now);
    last = now;
  }
  equal(pause(0), 0, "pause of 0 ticks");
  int pid = child();
  if (pid == 0) {
    pause(-5);
    exit(0);
  }
  ends(pid, 0);
}

static void
pausesome(long i)
{
  int start = uptime();
  pause(1 + i % 3);
  expect(uptime() - start >= 1 + i % 3, "pause(%d) ended early", (int)(1 + i % 3));
}

static void
pause_together(void)
{
  crowd(20, pausesome);
}

// Processes that never block do not keep others from running.
static void
spinners_share(void)
{
  int spinners[4], there[2], back[2];
  newpipe(there);
  newpipe(back);
  for (int i = 0; i < COUNT(spinners); i++)
    if ((spinners[i] = child()) == 0)
      spin(0);
  int pid = child();
  if (pid == 0) {
    for (int i = 0; i < 3; i++) {
      equal(read(there[0], buf, 1), 1, "read of a pipe");
      mustwrite(back[1], "x", 1);
    }
    exit(0);
  }
  for (int i = 0; i < 3; i++) {
    mustwrite(there[1], "x", 1);
    equal(read(back[0], buf, 1), 1, "read of a pipe");
  }
  ends(pid, 0);
  for (int i = 0; i < COUNT(spinners); i++) {
    equal(kill(spinners[i]), 0, "kill");
    ends(spinners[i], -1);
  }
}

struct test proc_tests[] = {
  QUICK(exit_status),
  QUICK(wait_rules),
  QUICK(fork_in_sequence),
  QUICK(fork_in_tree),
  QUICK(fork_copies),
  QUICK(exit_together),
  QUICK(exit_with_children),
  QUICK(orphans_reaped),
  QUICK(zombies_reaped),
  QUICK(orphans_killed),
  QUICK(kill_anywhere),
  QUICK(kill_newborn),
  QUICK(kill_spinning),
  QUICK(kill_together),
  QUICK(kill_nobody),
  QUICK(time_passes),
  QUICK(pause_together),
  QUICK(spinners_share),
  END_OF_TESTS
};
