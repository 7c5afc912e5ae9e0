// sh.c - the shell: reads lines, makes a tree of each, and runs it.
//
//   list     = job { (";" | "&") job } [ ";" | "&" ]
//   job      = command { "|" command }
//   command  = ( word { word } | "(" list ")" )  with redirections anywhere in it or behind it
//   redirection = ( "<" | ">" | ">>" ) word
//
// The word $? stands for the exit status of the last job.
#include "kernel/types.h"
#include "kernel/param.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "user/user.h"

#define LINE     1024   // longest line, with its end
#define MAXDEPTH 8      // of nested parentheses: the stack is one page

struct redirection {
  char operator;              // '<', '>', or APPEND
  char *path;
  struct redirection *next;
};

// A program and its arguments, or a list in parentheses.
struct command {
  char **argv;                // 0: a list
  struct job *list;
  struct redirection *redirections;
  struct command *next;       // reads what this one writes
  int pid;                    // while it runs
};

struct job {
  struct command *first;
  int background;             // not waited for
  struct job *next;
};

// ---- memory of the tree: given out in one direction, all free again at the next line

static char *arena;
static uint arenaused;

// No character of a line needs more than a job, a command and its argv; so take never fails.
#define ARENA (LINE * (sizeof(struct job) + sizeof(struct command) + 2 * sizeof(char *)))

// Returns n bytes, zeroed.
static void *
take(uint n)
{
  void *p = arena + arenaused;

  arenaused += (n + 7) & ~7;
  return memset(p, 0, n);
}

// ---- tokens

// Every other token is its own character.
enum { END = 0, WORD = 'w', APPEND = 'a' };

#define BLANKS    " \t\r\n"
#define OPERATORS "<>|;&()"

static char line[LINE];
static char words[LINE];      // the words of the line, each with a 0 behind it
static char *rest;            // what is not yet read of line,
static char *freeword;        // and not yet used of words
static int token;             // the next token
static char *word;            // its text, if it is a WORD

static int
in(char c, const char *set)
{
  return c && strchr(set, c);
}

static void
advance(void)
{
  while (in(*rest, BLANKS))
    rest++;
  if (*rest == 0) {
    token = END;
  } else if (in(*rest, OPERATORS)) {
    token = *rest++;
    if (token == '>' && *rest == '>') {
      token = APPEND;
      rest++;
    }
  } else {
    token = WORD;
    word = freeword;
    while (*rest && !in(*rest, BLANKS OPERATORS))
      *freeword++ = *rest++;
    *freeword++ = 0;
  }
}

// ---- parser

static int refused;   // the line has an error: nothing of it is run

// Say why the line can't be run, once, and let the parser find its end.
static void
refuse(const char *why, const char *what)
{
  if (!refused)
    fprintf(2, "sh: %s%s\n", why, what);
  refused = 1;
  rest = "";
  token = END;
}

static void
unexpected(void)
{
  char operator[2] = { token, 0 };

  refuse("syntax error at ", token == WORD ? word : token == APPEND ? ">>" : token == END ? "end of line" : operator);
}

// Returns the redirection, or 0 if it is incomplete.
static struct redirection *
parseredirection(void)
{
  struct redirection *r = take(sizeof(*r));

  r->operator = token;
  advance();
  if (token != WORD) {
    unexpected();
    return 0;
  }
  r->path = word;
  return r;
}

// Read words, if c is not a list, and redirections.
static void
parsewords(struct command *c)
{
  struct redirection **last = &c->redirections;
  static char *argv[MAXARG];   // static: the stack is one page, and lists nest
  int argc = 0;

  for (; token != END; advance()) {
    if (token == WORD && c->list == 0) {
      if (argc == MAXARG - 1)
        refuse("too many arguments for ", argv[0]);
      else
        argv[argc++] = word;
    } else if (token == '<' || token == '>' || token == APPEND) {
      *last = parseredirection();
      if (*last)
        last = &(*last)->next;
    } else {
      break;
    }
  }
  if (c->list == 0 && argc == 0)
    unexpected();
  if (c->list == 0) {
    c->argv = take((argc + 1) * sizeof(argv[0]));
    memcpy(c->argv, argv, argc * sizeof(argv[0]));
  }
}

static struct job *parselist(int depth);

static struct command *
parsecommand(int depth)
{
  struct command *c = take(sizeof(*c));

  if (token == '(') {
    if (depth == MAXDEPTH)
      refuse("too many parentheses in each other", "");
    advance();
    c->list = parselist(depth + 1);
    if (token != ')')
      unexpected();
    advance();
  }
  parsewords(c);
  return c;
}

static struct job *
parsejob(int depth)
{
  struct job *job = take(sizeof(*job));
  struct command *c = job->first = parsecommand(depth);

  while (token == '|') {
    advance();
    c = c->next = parsecommand(depth);
  }
  if (token == ';' || token == '&') {
    job->background = (token == '&');
    advance();
  } else if (token != ')' && token != END) {
    unexpected();
  }
  return job;
}

// Returns the jobs up to the end of the line, or up to a ')'.
static struct job *
parselist(int depth)
{
  struct job *first = parsejob(depth);

  for (struct job *job = first; token != END && token != ')'; job = job->next)
    job->next = parsejob(depth);
  return first;
}

// Returns the tree of the line; 0 if there is nothing to run.
static struct job *
parseline(void)
{
  struct job *list = 0;

  arenaused = 0;
  refused = 0;
  rest = line;
  freeword = words;
  advance();
  if (token != END)
    list = parselist(0);
  if (token != END)
    unexpected();
  return refused ? 0 : list;
}

// ---- running

static int input;    // where lines come from: 0, or the file of a script
static int status;   // exit status of the last job; -1 if it was killed

static int runlist(struct job *list);

static int
iscd(struct command *c)
{
  return c->argv && strcmp(c->argv[0], "cd") == 0;
}

// cd alone goes to /. Returns the exit status.
static int
changedir(struct command *c)
{
  const char *dir = c->argv[1] ? c->argv[1] : "/";

  if (chdir(dir) == 0)
    return 0;
  fprintf(2, "sh: cannot cd to %s\n", dir);
  return 1;
}

// Make fd the descriptor number `to`, which is in use.
static void
become(int fd, int to)
{
  close(to);
  dup(fd);   // takes the lowest free number
  close(fd);
}

static void
redirect(struct redirection *r)
{
  static char skipped[512];
  int fd = open(r->path, r->operator == '<' ? O_RDONLY :
                         r->operator == '>' ? O_WRONLY | O_CREATE | O_TRUNC : O_RDWR | O_CREATE);

  if (fd < 0) {
    fprintf(2, "sh: cannot open %s\n", r->path);
    exit(1);
  }
  // To append is to write where reading ends.
  while (r->operator == APPEND && read(fd, skipped, sizeof(skipped)) > 0)
    ;
  become(fd, r->operator == '<' ? 0 : 1);
}

// Put the status in place of each argument $?.
static void
expand(char **argv)
{
  static char digits[12];
  char *first = &digits[sizeof(digits) - 1];
  uint rest = status < 0 ? -status : status;

  do
    *--first = '0' + rest % 10;
  while ((rest /= 10) > 0);
  if (status < 0)
    *--first = '-';
  for (; *argv; argv++)
    if (strcmp(*argv, "$?") == 0)
      *argv = first;
}

// Turn this process, a child of the shell, into the command. A name without a '/'
// that is not here may be in /, where the programs are.
static void __attribute__((noreturn))
run(struct command *c)
{
  for (struct redirection *r = c->redirections; r; r = r->next)
    redirect(r);
  if (c->list)
    exit(runlist(c->list));
  expand(c->argv);
  if (iscd(c))
    exit(changedir(c));

  static char path[MAXPATH] = "/";
  char *name = c->argv[0];
  exec(name, c->argv);
  if (strchr(name, '/') == 0 && strlen(name) < MAXPATH - 1) {
    strcpy(path + 1, name);
    exec(path, c->argv);
  }
  fprintf(2, "exec %s failed\n", name);
  exit(127);
}

// Start one command, with `from` and `to` as standard input and output where they are not -1.
static int
launch(struct command *c, int from, int to, int unused)
{
  int pid = fork();

  if (pid < 0)
    fprintf(2, "sh: cannot fork\n");
  if (pid != 0)
    return pid;
  if (input != 0)
    close(input);
  if (unused >= 0)
    close(unused);
  if (from >= 0)
    become(from, 0);
  if (to >= 0)
    become(to, 1);
  run(c);
}

// Start the commands of the job, each reading from the one before it, as far as that can be done.
static void
launchall(struct job *job)
{
  int from = -1;

  for (struct command *c = job->first; c; c = c->next) {
    int ends[2] = { -1, -1 };
    if (c->next && pipe(ends) < 0)
      fprintf(2, "sh: cannot make a pipe\n");
    else
      c->pid = launch(c, from, ends[1], ends[0]);
    if (from >= 0)
      close(from);
    if (ends[1] >= 0)
      close(ends[1]);
    from = ends[0];
    if (c->pid <= 0)
      break;
  }
  if (from >= 0)
    close(from);
}

// Wait for all commands of the job. Returns the exit status of the last.
static int
await(struct job *job)
{
  int running = 0;
  int result = 1;   // of a command that could not be started

  for (struct command *c = job->first; c; c = c->next)
    running += (c->pid > 0);
  while (running > 0) {
    int xstatus;
    int pid = wait(&xstatus);
    for (struct command *c = job->first; c; c = c->next) {
      if (c->pid == pid) {
        running--;
        if (c->next == 0)
          result = xstatus;
      }
    }
  }
  return result;
}

// Start the job by way of a child that ends at once. So init inherits the job and takes note
// of its end; a shell that waits for nothing would keep it as a zombie.
static int
launchbehind(struct job *job)
{
  int pid = fork();

  if (pid == 0) {
    launchall(job);
    exit(0);
  }
  if (pid < 0) {
    fprintf(2, "sh: cannot fork\n");
    return 1;
  }
  wait(0);
  return 0;
}

// Run the jobs, each when the one before it has ended or is in the background. Returns the status.
static int
runlist(struct job *list)
{
  for (struct job *job = list; job; job = job->next) {
    if (job->background) {
      status = launchbehind(job);
    } else if (iscd(job->first) && !job->first->next) {   // must change the shell itself
      status = changedir(job->first);
    } else {
      launchall(job);
      status = await(job);
    }
  }
  return status;
}

// Read a line into line[]. Returns -1 at the end of the input.
static int
readline(void)
{
  int length = 0;
  int got;
  char c;

  // Byte by byte, since what lies beyond the line may be meant for the program that it starts.
  while ((got = read(input, &c, 1)) == 1 && c != '\n')
    if (++length < LINE)
      line[length - 1] = c;
  if (got != 1 && length == 0)
    return -1;
  if (length >= LINE) {
    fprintf(2, "sh: line longer than %d bytes\n", LINE - 1);
    length = 0;
  }
  line[length] = 0;
  return 0;
}

int
main(int argc, char *argv[])
{
  struct stat st;

  if (argc > 1 && (input = open(argv[1], O_RDONLY)) < 0) {
    fprintf(2, "sh: cannot open %s\n", argv[1]);
    return 127;
  }
  int prompting = fstat(input, &st) == 0 && st.type == T_DEVICE;
  arena = sbrklazy(ARENA);
  if (arena == SBRK_ERROR) {
    fprintf(2, "sh: out of memory\n");
    return 1;
  }

  for (;;) {
    if (prompting)
      write(2, "$ ", 2);
    if (readline() < 0)
      return status;
    runlist(parseline());
    if (refused)
      status = 2;
  }
}
