/* A fast SMTP sink for measurements: it takes mail as cheaply as it can and counts what it took.
 *
 * One thread, epoll, loopback only. It offers PIPELINING (RFC 2920), CHUNKING (RFC 3030), SIZE (RFC 1870), 8BITMIME,
 * ENHANCEDSTATUSCODES and, with a certificate, STARTTLS (RFC 3207). After a refused recipient the transaction stays
 * open and the next MAIL is answered 503, as Postfix does; a client that gets this wrong shows up in the counts.
 *
 *   cc -O2 -o sink sink.c -lssl -lcrypto
 *   sink [options]                        prints "port N" on stdout once it listens
 *     --port N                            0, the default, takes a free one
 *     --rtt MS                            every reply comes so much later (a delay line: replies may overlap)
 *     --cert FILE --key FILE              offer STARTTLS
 *     --refuse TEXT   --defer TEXT        550 or 451 to recipients whose address contains TEXT
 *     --keep N --folder DIR               write the first N messages to DIR/000001.eml …, dot-stuffing undone
 *     --log FILE                          a line "TIME CODE ADDRESS" for every recipient: 250 once its message is
 *                                         taken, 550 or 451 at RCPT; TIME is seconds of the real-time clock
 *     --no-pipelining   --no-chunking     do not offer it
 *
 * XSTAT, a command of our own, is answered 250 and the counts as JSON; SIGTERM prints the same and ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_MAX = 256 * 1024, LINE_MAX_BYTES = 4096, ADDRESS_MAX = 320, EVENTS_MAX = 256, ROUNDS_MAX = 16 };
static const unsigned long long SIZE_LIMIT = 50ull << 20;

enum mode { COMMANDS, DATA, CHUNK };
enum after { STAY, HANG_UP, START_TLS }; /* what follows a reply */

struct connection {
  int fd;
  SSL *tls; /* NULL while in the clear */
  bool is_in_handshake, is_gone, waits_to_write;
  enum mode mode;
  char line[LINE_MAX_BYTES];
  size_t line_length;
  bool has_sender;
  unsigned recipients; /* accepted ones of this transaction */
  char recipient[ADDRESS_MAX];
  size_t chunk_left;
  bool is_last_chunk, is_void_chunk; /* a void chunk is read and refused */
  char tail[4]; /* the last bytes of DATA so far: its end may lie across two reads */
  size_t tail_length;
  bool keeps;
  char *kept;
  size_t kept_length, kept_room;
  char *out;
  size_t out_length, out_room;
  unsigned owed; /* its replies in the delay line */
};

struct reply { /* one in the delay line, which is in order of time because every delay is the same */
  struct reply *next;
  double due;
  struct connection *to;
  enum after after;
  size_t length;
  char text[];
};

static struct {
  int port, keep;
  double rtt;
  const char *certificate, *key, *refuse, *defer, *folder, *log;
  int no_pipelining, no_chunking;
} options;

static struct {
  unsigned long long messages, bytes, connections, recipients, refused, deferred;
  double first_at, last_at; /* the first MAIL, the last message taken */
} counts;

static int poller;
static int kept_count;
static FILE *log_file;
static SSL_CTX *tls_settings;
static struct reply *line_head, *line_tail;
static char input[INPUT_MAX];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *grown(void *block, size_t *room, size_t needed) {
  if (needed <= *room) return block;
  *room = needed * 2;
  block = realloc(block, *room);
  if (!block) fail("memory");
  return block;
}

static size_t write_counts(char *text, size_t room) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
  return (size_t)snprintf(text, room,
                          "{\"messages\": %llu, \"bytes\": %llu, \"connections\": %llu, \"recipients\": %llu, "
                          "\"refused\": %llu, \"deferred\": %llu, \"cpu_s\": %.6f, \"first_at\": %.6f, "
                          "\"last_at\": %.6f}",
                          counts.messages, counts.bytes, counts.connections, counts.recipients, counts.refused,
                          counts.deferred, cpu, counts.first_at, counts.last_at);
}

/* ---- bytes in and out ---- */

static void watch(struct connection *c, bool for_writing) {
  if (c->waits_to_write == for_writing) return;
  c->waits_to_write = for_writing;
  struct epoll_event event = {.events = EPOLLIN | (for_writing ? EPOLLOUT : 0), .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event)) fail("epoll_ctl");
}

static bool must_wait(SSL *tls, int result) {
  int error = SSL_get_error(tls, result);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Write what is ready; false when the connection is broken. */
static bool flush(struct connection *c) {
  if (!c->out_length) return true;
  size_t done = 0;
  while (done < c->out_length) {
    ssize_t n;
    if (c->tls) {
      int result = SSL_write(c->tls, c->out + done, (int)(c->out_length - done));
      if (result <= 0 && !must_wait(c->tls, result)) return false;
      n = result;
    } else {
      n = send(c->fd, c->out + done, c->out_length - done, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return false;
    }
    if (n <= 0) break;
    done += (size_t)n;
  }
  memmove(c->out, c->out + done, c->out_length - done);
  c->out_length -= done;
  watch(c, c->out_length > 0);
  return true;
}

/* Read into `input`: the number of bytes, 0 for none at the moment, -1 for the end. */
static ssize_t take(struct connection *c) {
  if (c->tls) {
    int n = SSL_read(c->tls, input, INPUT_MAX);
    return n > 0 ? n : must_wait(c->tls, n) ? 0 : -1;
  }
  ssize_t n = recv(c->fd, input, INPUT_MAX, 0);
  if (n < 0 && errno == EAGAIN) return 0;
  return n > 0 ? n : -1;
}

/* A message that will not be finished leaves its place among the kept ones to another. */
static void forget_message(struct connection *c) {
  kept_count -= c->keeps;
  c->keeps = false;
}

static void drop(struct connection *c) {
  if (!c->is_gone) {
    forget_message(c);
    if (c->tls) SSL_free(c->tls);
    close(c->fd);
    free(c->out);
    free(c->kept);
    c->is_gone = true;
  }
  if (!c->owed) free(c);
}

/* ---- replies ---- */

/* Put a reply out and do what follows it; false when the connection ends. */
static bool release(struct connection *c, const char *text, size_t length, enum after after) {
  c->out = grown(c->out, &c->out_room, c->out_length + length);
  memcpy(c->out + c->out_length, text, length);
  c->out_length += length;
  if (after == STAY) return true;
  if (!flush(c) || after == HANG_UP) return false;
  c->tls = SSL_new(tls_settings);
  if (!c->tls || SSL_set_fd(c->tls, c->fd) != 1) return false;
  SSL_set_accept_state(c->tls);
  c->is_in_handshake = true;
  c->line_length = 0;
  return true;
}

static bool answer(struct connection *c, const char *text, enum after after) {
  size_t length = strlen(text);
  if (options.rtt <= 0) return release(c, text, length, after);
  struct reply *late = malloc(sizeof *late + length);
  if (!late) fail("memory");
  *late = (struct reply){.due = seconds(CLOCK_MONOTONIC) + options.rtt, .to = c, .after = after, .length = length};
  memcpy(late->text, text, length);
  if (line_tail) line_tail->next = late;
  else line_head = late;
  line_tail = late;
  c->owed++;
  return true;
}

static bool say(struct connection *c, const char *text) { return answer(c, text, STAY); }

/* Let replies out whose time has come; gives the milliseconds until the next, -1 for none. */
static int run_delay_line(void) {
  while (line_head) {
    double wait = line_head->due - seconds(CLOCK_MONOTONIC);
    if (wait > 0) return (int)(wait * 1000) + 1;
    struct reply *reply = line_head;
    struct connection *c = reply->to;
    line_head = reply->next;
    if (!line_head) line_tail = NULL;
    c->owed--;
    if (c->is_gone || !release(c, reply->text, reply->length, reply->after) || !flush(c)) drop(c);
    free(reply);
  }
  return -1;
}

/* ---- messages ---- */

static void note(const char *code, const char *address) {
  if (log_file) fprintf(log_file, "%.6f %s %s\n", seconds(CLOCK_REALTIME), code, address);
}

static void begin_message(struct connection *c) {
  if (kept_count >= options.keep || c->keeps) return;
  c->keeps = true;
  c->kept_length = 0;
  kept_count++;
}

static void add_bytes(struct connection *c, const char *bytes, size_t n) {
  counts.bytes += n;
  if (!c->keeps) return;
  c->kept = grown(c->kept, &c->kept_room, c->kept_length + n);
  memcpy(c->kept + c->kept_length, bytes, n);
  c->kept_length += n;
}

/* Undo dot-stuffing (RFC 5321 4.5.2) and leave the final dot out. */
static size_t unstuffed(char *bytes, size_t n) {
  size_t out = 0;
  bool at_line_start = true;
  for (size_t in = 0; in < n; in++) {
    if (at_line_start && bytes[in] == '.') {
      at_line_start = false;
      if (in + 3 == n) break; /* ".\r\n", the end */
      continue;
    }
    at_line_start = bytes[in] == '\n';
    bytes[out++] = bytes[in];
  }
  return out;
}

static void keep_message(struct connection *c) {
  static int number;
  char path[4096];
  size_t n = c->mode == DATA ? unstuffed(c->kept, c->kept_length) : c->kept_length;
  snprintf(path, sizeof path, "%s/%06d.eml", options.folder, ++number);
  FILE *file = fopen(path, "w");
  if (!file || fwrite(c->kept, 1, n, file) != n || fclose(file)) fail(path);
  c->keeps = false;
}

static bool end_message(struct connection *c) {
  if (c->keeps) keep_message(c);
  counts.messages++;
  counts.last_at = seconds(CLOCK_MONOTONIC);
  note("250", c->recipient);
  c->has_sender = false;
  c->recipients = 0;
  return say(c, "250 2.0.0 Ok: taken\r\n");
}

static bool end_chunk(struct connection *c) {
  bool is_whole = c->is_last_chunk && !c->is_void_chunk;
  if (is_whole && !end_message(c)) return false; /* it looks at the mode */
  c->mode = COMMANDS;
  if (is_whole) return true;
  return say(c, c->is_void_chunk ? "554 5.5.1 No valid recipients\r\n" : "250 2.0.0 Ok\r\n");
}

/* How many bytes of `bytes` belong to the message, its final dot included; 0 when that is not in there yet. */
static size_t end_of_data(struct connection *c, const char *bytes, size_t n) {
  char seam[8];
  size_t ahead = n < 4 ? n : 4;
  memcpy(seam, c->tail, c->tail_length);
  memcpy(seam + c->tail_length, bytes, ahead);
  const char *found = memmem(seam, c->tail_length + ahead, "\r\n.\r\n", 5);
  if (found) return (size_t)(found - seam) + 5 - c->tail_length;
  found = memmem(bytes, n, "\r\n.\r\n", 5);
  if (found) return (size_t)(found - bytes) + 5;
  size_t length = c->tail_length + ahead, drop_count = length > 4 ? length - 4 : 0;
  if (n >= 4) memcpy(c->tail, bytes + n - 4, 4);
  else memcpy(c->tail, seam + drop_count, length - drop_count);
  c->tail_length = n >= 4 ? 4 : length - drop_count;
  return 0;
}

/* ---- commands ---- */

static bool starts(const char *line, const char *word) { return !strncasecmp(line, word, strlen(word)); }

static bool on_mail(struct connection *c, const char *line) {
  if (c->has_sender) return say(c, "503 5.5.1 Nested MAIL\r\n");
  if (!counts.recipients) counts.first_at = seconds(CLOCK_MONOTONIC);
  const char *size = strcasestr(line, " SIZE=");
  if (size && strtoull(size + 6, NULL, 10) > SIZE_LIMIT) return say(c, "552 5.3.4 Too big\r\n");
  c->has_sender = true;
  c->recipients = 0;
  return say(c, "250 2.1.0 Ok\r\n");
}

static bool on_rcpt(struct connection *c, const char *line) {
  if (!c->has_sender) return say(c, "503 5.5.1 MAIL first\r\n");
  const char *start = strchr(line, '<'), *end = start ? strchr(start, '>') : NULL;
  if (!end || end - start > ADDRESS_MAX) return say(c, "501 5.1.3 Bad address\r\n");
  size_t length = (size_t)(end - start - 1);
  memcpy(c->recipient, start + 1, length);
  c->recipient[length] = 0;
  counts.recipients++;
  if (options.refuse && strstr(c->recipient, options.refuse)) {
    counts.refused++;
    note("550", c->recipient);
    return say(c, "550 5.1.1 No such user\r\n");
  }
  if (options.defer && strstr(c->recipient, options.defer)) {
    counts.deferred++;
    note("451", c->recipient);
    return say(c, "451 4.7.1 Try again later\r\n");
  }
  c->recipients++;
  return say(c, "250 2.1.5 Ok\r\n");
}

static bool on_data(struct connection *c) {
  if (!c->recipients) return say(c, "554 5.5.1 No valid recipients\r\n");
  begin_message(c);
  c->mode = DATA;
  memcpy(c->tail, "\r\n", 2); /* a dot right after DATA ends an empty message */
  c->tail_length = 2;
  return say(c, "354 Go on\r\n");
}

static bool on_bdat(struct connection *c, const char *line) {
  c->chunk_left = strtoull(line + 4, NULL, 10);
  c->is_last_chunk = strcasestr(line, "LAST") != NULL;
  c->is_void_chunk = !c->recipients;
  c->mode = CHUNK;
  if (!c->is_void_chunk) begin_message(c);
  return c->chunk_left ? true : end_chunk(c);
}

static bool on_ehlo(struct connection *c) {
  char text[512];
  counts.connections += !c->tls; /* after STARTTLS there comes a second EHLO */
  snprintf(text, sizeof text,
           "250-sink.example.com\r\n%s%s%s250-SIZE %llu\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n",
           options.no_pipelining ? "" : "250-PIPELINING\r\n", options.no_chunking ? "" : "250-CHUNKING\r\n",
           tls_settings && !c->tls ? "250-STARTTLS\r\n" : "", SIZE_LIMIT);
  return say(c, text);
}

static bool on_xstat(struct connection *c) {
  char text[512];
  size_t n = (size_t)snprintf(text, sizeof text, "250 ");
  n += write_counts(text + n, sizeof text - n - 3);
  memcpy(text + n, "\r\n", 3);
  return say(c, text);
}

static bool command(struct connection *c, const char *line) {
  if (starts(line, "MAIL")) return on_mail(c, line);
  if (starts(line, "RCPT")) return on_rcpt(c, line);
  if (starts(line, "DATA")) return on_data(c);
  if (starts(line, "BDAT ") && !options.no_chunking) return on_bdat(c, line);
  if (starts(line, "EHLO")) return on_ehlo(c);
  if (starts(line, "HELO")) return say(c, "250 sink.example.com\r\n");
  if (starts(line, "STARTTLS") && tls_settings && !c->tls) return answer(c, "220 2.0.0 Go on\r\n", START_TLS);
  if (starts(line, "RSET")) {
    forget_message(c);
    c->has_sender = false;
    c->recipients = 0;
    return say(c, "250 2.0.0 Ok\r\n");
  }
  if (starts(line, "NOOP")) return say(c, "250 2.0.0 Ok\r\n");
  if (starts(line, "XSTAT")) return on_xstat(c);
  if (starts(line, "QUIT")) return answer(c, "221 2.0.0 Bye\r\n", HANG_UP);
  return say(c, "500 5.5.2 Not understood\r\n");
}

/* Work through `n` bytes of input; false when the connection ends. */
static bool feed(struct connection *c, const char *bytes, size_t n) {
  while (n) {
    size_t used;
    if (c->mode == CHUNK) {
      used = n < c->chunk_left ? n : c->chunk_left;
      if (!c->is_void_chunk) add_bytes(c, bytes, used);
      c->chunk_left -= used;
      if (!c->chunk_left && !end_chunk(c)) return false;
    } else if (c->mode == DATA) {
      size_t end = end_of_data(c, bytes, n);
      used = end ? end : n;
      add_bytes(c, bytes, used);
      if (end) {
        if (!end_message(c)) return false;
        c->mode = COMMANDS;
      }
    } else {
      const char *end = memchr(bytes, '\n', n);
      used = end ? (size_t)(end - bytes) + 1 : n;
      if (c->line_length + used >= LINE_MAX_BYTES) return false; /* no client of ours writes such lines */
      memcpy(c->line + c->line_length, bytes, used);
      c->line_length += used;
      if (end) {
        c->line[c->line_length] = 0;
        c->line_length = 0;
        if (!command(c, c->line)) return false;
        /* What came in the clear behind STARTTLS is thrown away (RFC 3207 4.2). */
        if (c->is_in_handshake) return true;
      }
    }
    bytes += used;
    n -= used;
  }
  return true;
}

/* A chunk that nobody wants to look at is thrown away in the kernel: the sink must not be what is measured. */
static bool may_discard(const struct connection *c) { return c->mode == CHUNK && !c->tls && !c->keeps; }

static bool discard(struct connection *c, bool *is_dry) {
  ssize_t n = recv(c->fd, NULL, c->chunk_left, MSG_TRUNC);
  *is_dry = n < 0 && errno == EAGAIN;
  if (*is_dry) return true;
  if (n <= 0) return false;
  if (!c->is_void_chunk) counts.bytes += (size_t)n;
  c->chunk_left -= (size_t)n;
  return c->chunk_left ? true : end_chunk(c);
}

static bool readable(struct connection *c) {
  /* What TLS has decrypted wakes nobody up, so it is read to the end; for the rest epoll reports again. */
  for (int round = 0; round < ROUNDS_MAX || (c->tls && SSL_pending(c->tls) > 0); round++) {
    if (c->is_in_handshake) {
      int result = SSL_do_handshake(c->tls);
      if (result != 1) return must_wait(c->tls, result);
      c->is_in_handshake = false;
    }
    if (may_discard(c)) {
      bool is_dry;
      if (!discard(c, &is_dry)) return false;
      if (is_dry) break;
      continue;
    }
    ssize_t n = take(c);
    if (n < 0) return false;
    if (n == 0) break;
    if (!feed(c, input, (size_t)n)) return false;
    if (!c->tls && n < INPUT_MAX / 2) break;
  }
  return flush(c);
}

/* ---- start and end ---- */

static void welcome(int listener) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *c = calloc(1, sizeof *c);
    if (!c) fail("memory");
    c->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
    if (!say(c, "220 sink.example.com ESMTP\r\n") || !flush(c)) drop(c);
  }
}

static void read_options(int count, char **words) {
  static const struct option known[] = {
      {"port", required_argument, NULL, 'p'},   {"rtt", required_argument, NULL, 'r'},
      {"cert", required_argument, NULL, 'c'},   {"key", required_argument, NULL, 'k'},
      {"refuse", required_argument, NULL, 'f'}, {"defer", required_argument, NULL, 'd'},
      {"keep", required_argument, NULL, 'n'},   {"folder", required_argument, NULL, 'o'},
      {"log", required_argument, NULL, 'l'},    {"no-pipelining", no_argument, &options.no_pipelining, 1},
      {"no-chunking", no_argument, &options.no_chunking, 1},
      {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(count, words, "", known, NULL)) != -1;) switch (option) {
      case 'p': options.port = atoi(optarg); break;
      case 'r': options.rtt = atof(optarg) / 1000; break;
      case 'c': options.certificate = optarg; break;
      case 'k': options.key = optarg; break;
      case 'f': options.refuse = optarg; break;
      case 'd': options.defer = optarg; break;
      case 'n': options.keep = atoi(optarg); break;
      case 'o': options.folder = optarg; break;
      case 'l': options.log = optarg; break;
      case 0: break;
      default: exit(2);
    }
  if (optind < count || (options.keep && !options.folder) || (options.certificate && !options.key)) {
    fputs("sink: unknown word, or --keep without --folder, or --cert without --key\n", stderr);
    exit(2);
  }
}

static void load_certificate(void) {
  tls_settings = SSL_CTX_new(TLS_server_method());
  if (!tls_settings || SSL_CTX_use_certificate_chain_file(tls_settings, options.certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls_settings, options.key, SSL_FILETYPE_PEM) != 1) {
    ERR_print_errors_fp(stderr);
    exit(1);
  }
  SSL_CTX_set_mode(tls_settings, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int open_listener(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)options.port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1024)) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &length)) fail("getsockname");
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static int open_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, 0);
}

static int farewell(void) {
  char text[512];
  write_counts(text, sizeof text);
  puts(text);
  if (log_file && fclose(log_file)) fail(options.log);
  return fflush(stdout) ? 1 : 0;
}

int main(int count, char **words) {
  read_options(count, words);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* no sink outlives its measurement */
  if (options.certificate) load_certificate();
  if (options.log && !(log_file = fopen(options.log, "w"))) fail(options.log);
  poller = epoll_create1(0);
  int listener = open_listener(), signals = open_signals();
  struct epoll_event events[EVENTS_MAX];
  struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &listener};
  struct epoll_event on_signals = {.events = EPOLLIN, .data.ptr = &signals};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &on_listener)) fail("epoll_ctl");
  if (epoll_ctl(poller, EPOLL_CTL_ADD, signals, &on_signals)) fail("epoll_ctl");
  for (;;) {
    int ready = epoll_wait(poller, events, EVENTS_MAX, run_delay_line());
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < ready; i++) {
      void *what = events[i].data.ptr;
      if (what == &signals) return farewell();
      if (what == &listener) welcome(listener);
      else if (!readable(what)) drop(what);
    }
  }
}
