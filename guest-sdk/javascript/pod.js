// Reading a pod's JSON. Nothing in here decides anything.

/** The lists of containers in a pod's spec, in the order in which they are searched for a name. */
export const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'];

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value) => (typeof value === 'string' ? value : null);

/** The object's name; empty when it has none. */
export function name(object) {
  return text(object?.metadata?.name) ?? '';
}

/** The object's namespace, if set. */
export function namespace(object) {
  return text(object?.metadata?.namespace);
}

/** A label's value. */
export function label(object, key) {
  const labels = object?.metadata?.labels;
  return isObject(labels) && Object.hasOwn(labels, key) ? text(labels[key]) : null;
}

/** An annotation's value. */
export function annotation(object, key) {
  const annotations = object?.metadata?.annotations;
  return isObject(annotations) && Object.hasOwn(annotations, key) ? text(annotations[key]) : null;
}

/** All containers, each with its list and index. */
export function containers(pod) {
  return CONTAINER_LISTS.flatMap((kind) => {
    const items = pod?.spec?.[kind];
    if (!Array.isArray(items)) return [];
    return items.map((container, index) => ({ kind, index, container })).filter((found) => isObject(found.container));
  });
}

/** The names of all containers. */
export function containerNames(pod) {
  return containers(pod).map(({ container }) => text(container.name) ?? '');
}

/** Returns whether a pod's containers run on Windows, by spec.os or by the node selector. */
export function isWindows(pod) {
  const own = text(pod?.spec?.os?.name);
  return (own ?? text(pod?.spec?.nodeSelector?.['kubernetes.io/os'])) === 'windows';
}
