// Image references: validity and parts. The grammar is that of kubectl debug --image; short names are read
// as the container runtimes of Kubernetes read them.

const DOCKER_HUB = 'docker.io';
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const PORT = /^:[0-9]+$/;

/** An image reference, split into its parts. */
export class ImageReference {
  constructor(domain, path, tag, digest) {
    this.domain = domain;
    this.path = path;
    this.tag = tag;
    this.digest = digest;
  }

  /** Parses a reference; null if it is invalid. */
  static parse(reference) {
    const [rest, digest] = splitOnce(reference, '@');
    const last = rest.lastIndexOf('/') + 1;
    const colon = rest.indexOf(':', last) < 0 ? -1 : rest.lastIndexOf(':');
    const tag = colon < 0 ? null : rest.slice(colon + 1);
    const full = colon < 0 ? rest : rest.slice(0, colon);
    if ((digest !== null && !DIGEST.test(digest)) || (tag !== null && !TAG.test(tag))) return null;
    const [first, path] = splitOnce(full, '/');
    if (path !== null && isDomain(first) && path.split('/').every(isComponent)) {
      return new ImageReference(first, path, tag, digest);
    }
    return full.split('/').every(isComponent) ? new ImageReference(null, full, tag, digest) : null;
  }

  /** The registry that a container runtime pulls from, in lower case. */
  get registry() {
    const host = this.#host()?.toLowerCase() ?? DOCKER_HUB;
    return host === 'index.docker.io' ? DOCKER_HUB : host;
  }

  /** The repository in that registry: on Docker Hub, images of one part are in `library`. */
  get repository() {
    const path = this.domain !== null && this.#host() === null ? `${this.domain}/${this.path}` : this.path;
    return this.registry === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path;
  }

  /** The same image on a mirror: the repository below a prefix, tag and digest kept. Null when either is not valid. */
  withRegistry(registry, prefix = '') {
    if (!isDomain(registry) || !isHost(registry)) return null;
    if (prefix !== '' && !prefix.split('/').every(isComponent)) return null;
    const path = prefix === '' ? this.repository : `${prefix}/${this.repository}`;
    return new ImageReference(registry, path, this.tag, this.digest);
  }

  toString() {
    const domain = this.domain === null ? '' : `${this.domain}/`;
    const tag = this.tag === null ? '' : `:${this.tag}`;
    const digest = this.digest === null ? '' : `@${this.digest}`;
    return domain + this.path + tag + digest;
  }

  #host() {
    return this.domain !== null && isHost(this.domain) ? this.domain : null;
  }
}

// All else is the first part of a repository on Docker Hub.
function isHost(domain) {
  return /[.:]/.test(domain) || domain === 'localhost' || /[A-Z]/.test(domain);
}

function isComponent(component) {
  return COMPONENT.test(component);
}

function isDomain(domain) {
  const address = /^\[([0-9a-fA-F:]+)\](.*)$/s.exec(domain);
  if (address !== null) return address[2] === '' || PORT.test(address[2]);
  const colon = domain.indexOf(':');
  const host = colon < 0 ? domain : domain.slice(0, colon);
  const port = colon < 0 ? '' : domain.slice(colon);
  return (port === '' || PORT.test(port)) && host.split('.').every((part) => LABEL.test(part));
}

function splitOnce(text, separator) {
  const place = text.indexOf(separator);
  return place < 0 ? [text, null] : [text.slice(0, place), text.slice(place + separator.length)];
}
