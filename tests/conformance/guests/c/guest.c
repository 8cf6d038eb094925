// The guest of the conformance suite in C, without a library: the canonical ABI of the contract by hand. What it does is said in
// tests/conformance/README.md. Built with
//   clang --target=wasm32-unknown-unknown -Os -nostdlib -ffreestanding -Wl,--no-entry -o core.wasm guest.c

typedef unsigned char u8;
typedef unsigned int u32;

#define EXPORT(name) __attribute__((export_name(name)))
#define PAGE 65536u

// A bump allocator: an instance lives for one call.

extern u8 __heap_base;
static u32 next;

static void *allocate(u32 size, u32 align) {
  if (next == 0) next = (u32)&__heap_base;
  u32 place = (next + align - 1) & ~(align - 1);
  u32 end = place + size;
  u32 have = __builtin_wasm_memory_size(0) * PAGE;
  if (end < place) __builtin_trap();
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) == (unsigned long)-1) __builtin_trap();
  next = end;
  return (void *)place;
}

void *memcpy(void *to, const void *from, unsigned long size) {
  for (u32 i = 0; i < size; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
  return to;
}

EXPORT("cabi_realloc") void *cabi_realloc(void *old, u32 old_size, u32 align, u32 size) {
  void *place = allocate(size, align);
  return old_size ? memcpy(place, old, old_size < size ? old_size : size) : place;
}

// Texts.

typedef struct { const char *at; u32 length; } text;

static text literal(const char *at) {
  u32 length = 0;
  while (at[length]) length++;
  return (text){at, length};
}

#define T(s) literal(s)

static const char *find(text in, text what) {
  for (u32 i = 0; i + what.length <= in.length; i++) {
    u32 j = 0;
    while (j < what.length && in.at[i + j] == what.at[j]) j++;
    if (j == what.length) return in.at + i;
  }
  return 0;
}

static int equal(text a, text b) { return a.length == b.length && find(a, b) == a.at; }

// The text of a member of compact JSON, still escaped; empty where there is none.
static text member(text json, const char *name) {
  text key = literal(name);
  const char *found = find(json, key);
  if (!found) return (text){0, 0};
  const char *start = found + key.length, *end = start;
  while (*end != '"') end += *end == '\\' ? 2 : 1;
  return (text){start, (u32)(end - start)};
}

typedef struct { char *at; u32 length; } builder;

static void put(builder *to, text what) {
  memcpy(to->at + to->length, what.at, what.length);
  to->length += what.length;
}

// JSON as the text of a JSON string: what host and guest write is compact, so quotes and backslashes are all to escape.
static void put_quoted(builder *to, text what) {
  for (u32 i = 0; i < what.length; i++) {
    if (what.at[i] == '"' || what.at[i] == '\\') to->at[to->length++] = '\\';
    to->at[to->length++] = what.at[i];
  }
}

// The records of the contract.

typedef struct { u32 is_some; text value; } optional;
typedef struct { u32 severity; text code; optional at; text message; optional help; } diagnostic;
typedef struct { void *at; u32 length; } list;
typedef struct { text action, object; } step;
typedef struct { u32 is_error; list steps; optional attach; list diagnostics; } plan_result;
typedef struct { u32 is_error; u32 kind; text code, message; list diagnostics; } failure_result;
typedef struct { u32 is_error; list diagnostics; u32 room[5]; } settings_result;
typedef struct { u32 operation; text at; optional value; } amendment;
typedef struct { u32 is_error; u32 verdict; list amendments; list diagnostics; } decision_result;

__attribute__((import_module("trocar:plugin/log@0.1.0"), import_name("log"))) void host_log(u32 level, const char *at, u32 length);

static void write_log(u32 level, const char *message) {
  text line = literal(message);
  host_log(level, line.at, line.length);
}

static optional some(const char *value) { return (optional){1, literal(value)}; }

static list every_severity(void) {
  static diagnostic found[3];
  found[0] = (diagnostic){0, T("first-code"), some("/metadata/name"), T("an error \xF0\x9D\x84\x9E"), some("change it")};
  found[1] = (diagnostic){1, T("second-code"), {0}, T("a warning"), some("perhaps")};
  found[2] = (diagnostic){2, T("third-code"), some("/spec"), T("an information"), {0}};
  return (list){found, 3};
}

static const char *const KINDS[] = {"invalid-settings", "invalid-request", "unsupported-target", "unavailable", "internal"};

static void *fail(text settings) {
  static failure_result answer;
  text kind = member(settings, "\"kind\":\"");
  answer = (failure_result){1, 0, T("told"), T("why not \xF0\x9D\x84\x9E"), every_severity()};
  while (!equal(kind, literal(KINDS[answer.kind]))) answer.kind++;
  return &answer;
}

// What both interfaces do alike. Gives an answer, or nothing.
static void *common(text does, text settings) {
  if (equal(does, T("fail"))) return fail(settings);
  if (equal(does, T("log"))) {
    write_log(0, "a trace \xF0\x9D\x84\x9E");
    write_log(1, "for debugging");
    write_log(2, "an information");
    write_log(3, "a warning");
    write_log(4, "an error");
  }
  if (equal(does, T("trap"))) {
    write_log(4, "the reason of the trap");
    __builtin_trap();
  }
  if (equal(does, T("loop")))
    for (;;) __asm__ volatile("");
  if (equal(does, T("grow")))
    for (;;) *(volatile u8 *)allocate(1 << 20, 1) = 1;
  return 0;
}

EXPORT("trocar:plugin/strategy@0.1.0#validate-settings")
void *validate_strategy(const char *at, u32 length) {
  static settings_result answer;
  text settings = {at, length};
  text does = member(settings, "\"do\":\"");
  if (equal(does, T("wrong"))) answer.diagnostics = every_severity();
  return &answer;
}

EXPORT("trocar:plugin/policy@0.1.0#validate-settings")
void *validate_policy(const char *at, u32 length) { return validate_strategy(at, length); }

static u32 calls;

static void put_variable(builder *to, const char *name, text value, int is_last) {
  put(to, T("{\"name\":\""));
  put(to, literal(name));
  put(to, T("\",\"value\":\""));
  put_quoted(to, value);
  put(to, is_last ? T("\"}") : T("\"},"));
}

EXPORT("trocar:plugin/strategy@0.1.0#make-plan")
void *make_plan(const char *target, u32 target_length, const char *options, u32 options_length, const char *settings_at,
                u32 settings_length, const char *context, u32 context_length) {
  static plan_result answer;
  static step made;
  text settings = {settings_at, settings_length};
  text does = member(settings, "\"do\":\"");
  void *failed = common(does, settings);
  if (failed) return failed;
  u32 size = 2 * (target_length + options_length + settings_length + context_length) + (6 << 20);
  builder object = {allocate(size, 1), 0};
  put(&object, T("{\"name\":\"echo\",\"image\":\"busybox\",\"env\":["));
  if (equal(does, T("echo"))) {
    put_variable(&object, "TARGET", (text){target, target_length}, 0);
    put_variable(&object, "OPTIONS", (text){options, options_length}, 0);
    put_variable(&object, "SETTINGS", settings, 0);
    put_variable(&object, "CONTEXT", (text){context, context_length}, 1);
  }
  if (equal(does, T("count"))) put_variable(&object, "CALLS", ++calls == 1 ? T("1") : T("more"), 1);
  if (equal(does, T("big"))) {
    put(&object, T("{\"name\":\"BIG\",\"value\":\""));
    for (u32 i = 0; i < 5 << 20; i++) object.at[object.length++] = 'x';
    put(&object, T("\"}"));
  }
  put(&object, T("]}"));
  made = (step){T("add-ephemeral-container"), {object.at, object.length}};
  answer = (plan_result){0, {&made, 1}, some("echo"), {0, 0}};
  if (equal(does, T("tell"))) answer.diagnostics = every_severity();
  return &answer;
}

EXPORT("trocar:plugin/policy@0.1.0#evaluate")
void *evaluate(const char *plan_at, u32 plan_length, const char *target, u32 target_length, const char *options,
               u32 options_length, const char *actor_at, u32 actor_length, const char *settings_at, u32 settings_length,
               const char *context, u32 context_length) {
  static decision_result answer;
  static amendment changes[2];
  text plan = {plan_at, plan_length}, actor = {actor_at, actor_length}, settings = {settings_at, settings_length};
  text does = member(settings, "\"do\":\"");
  void *failed = common(does, settings);
  if (failed) return failed;
  if (equal(does, T("deny"))) {
    answer.verdict = 2;
    answer.diagnostics = every_severity();
  }
  if (equal(does, T("read"))) {
    text reason = member(actor, "\"reason\":\""), wanted = member(settings, "\"text\":\"");
    answer.verdict = equal(reason, wanted) ? 0 : 2;
  }
  if (equal(does, T("amend")) && !find(plan, T("\"image\":\"mirror.example.com/busybox\""))) {
    changes[0] = (amendment){0, T("/steps/0/object/image"), some("\"mirror.example.com/busybox\"")};
    changes[1] = (amendment){1, T("/steps/0/object/tty"), {0}};
    answer.verdict = 1;
    answer.amendments = (list){changes, 2};
  }
  return &answer;
}
