// Diagnostics and failures, which users see.

/** Joins unescaped parts to a JSON Pointer (RFC 6901). */
export function pointer(...parts) {
  return parts.map((part) => '/' + String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('');
}

/** A diagnostic about a document. */
export class Diagnostic {
  constructor(severity, code, message, { at = null, help = null } = {}) {
    this.severity = severity;
    this.code = code;
    this.message = message;
    this.at = at;
    this.help = help;
  }

  /** Something is wrong; the user has to change the request. */
  static error(code, message, more) {
    return new Diagnostic('error', code, message, more);
  }

  /** The debug goes on, but perhaps not as intended. */
  static warning(code, message, more) {
    return new Diagnostic('warning', code, message, more);
  }

  /** Worth knowing, shown unless the user asked for quiet. */
  static info(code, message, more) {
    return new Diagnostic('info', code, message, more);
  }
}

/** Why a plugin refuses to answer: thrown. An ordinary refusal is a failure, never another error. */
export class Failure extends Error {
  constructor(kind, code, message, diagnostics = []) {
    super(message);
    this.name = 'Failure';
    this.kind = kind;
    this.code = code;
    this.diagnostics = diagnostics;
  }

  /** The user's request cannot be fulfilled. */
  static invalidRequest(code, message, ...diagnostics) {
    return new Failure('invalid-request', code, message, diagnostics);
  }

  /** The plugin's settings are wrong. */
  static invalidSettings(code, message, ...diagnostics) {
    return new Failure('invalid-settings', code, message, diagnostics);
  }

  /** The plugin does not debug this kind of target. */
  static unsupportedTarget(message, ...diagnostics) {
    return new Failure('unsupported-target', 'unsupported-target', message, diagnostics);
  }

  /** Something that the plugin needs from the host is unavailable. */
  static unavailable(code, message, ...diagnostics) {
    return new Failure('unavailable', code, message, diagnostics);
  }
}
