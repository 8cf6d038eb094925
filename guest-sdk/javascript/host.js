// What a plugin may call: the log, always, and the cluster, where its manifest asks for cluster-read and a user granted it.
// The component's entry puts the host's functions in here; in tests that is the fake host of testing.js.

const absent = {
  log() {},
  cluster: null,
};

let host = absent;

/** Installs the functions of a host, and returns the earlier ones. */
export function connect(functions) {
  const before = host;
  host = { ...absent, ...functions };
  return before;
}

const write = (level) => (message) => host.log(level, String(message));

/** The log, which users see with a higher verbosity. An error line just before a trap is shown as its reason. */
export const log = {
  trace: write('trace'),
  debug: write('debug'),
  info: write('info'),
  warn: write('warn'),
  error: write('error'),
};

function connected() {
  if (host.cluster === null) {
    throw { tag: 'unavailable', val: 'the manifest of the plugin asks for no cluster-read' };
  }
  return host.cluster;
}

/** Reading the cluster. What cannot be read is thrown as `{tag, val}`: out-of-scope, not-found, forbidden, unavailable, too-large. */
export const cluster = {
  /** Reads an object, or only its parts at these JSON Pointers. */
  get({ apiVersion, kind, namespace = null, name }, fields = []) {
    return JSON.parse(connected().get({ apiVersion, kind, namespace, name }, fields));
  },
  /** Reads the objects that match. */
  list({ apiVersion, kind, namespace = null, labelSelector = null, limit = null, fields = [] }) {
    const found = connected().list({ apiVersion, kind, namespace, labelSelector, limit, fields });
    return found.map((text) => JSON.parse(text));
  },
};
