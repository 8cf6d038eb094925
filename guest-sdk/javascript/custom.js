// --custom: merging a partial container over a generated one, as Kubernetes' strategic merge does.

// The lists that are merged item by item, and the field that tells items apart. All other lists are replaced.
const MERGED_LISTS = { env: 'name', ports: 'containerPort', volumeMounts: 'mountPath', volumeDevices: 'devicePath' };
const WRITTEN_OUT = ['containerPort', 'port'];

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Merges a partial container over a container. As with kubectl, an empty value unsets nothing. */
export function mergeCustom(container, custom) {
  for (const [field, given] of Object.entries(custom)) {
    const value = withoutEmpty(given, field === 'securityContext');
    if (value === undefined) continue;
    const key = Object.hasOwn(MERGED_LISTS, field) ? MERGED_LISTS[field] : undefined;
    if (key !== undefined && Array.isArray(container[field]) && Array.isArray(value)) {
      container[field] = mergeList(container[field], value, key);
      if (field === 'ports') for (const port of container.ports) port.protocol ??= 'TCP';
    } else {
      container[field] = mergeValue(container[field], value);
    }
  }
}

function mergeValue(before, value) {
  if (!isObject(before) || !isObject(value)) return value;
  const merged = { ...before };
  for (const [field, item] of Object.entries(value)) {
    merged[field] = Object.hasOwn(merged, field) ? mergeValue(merged[field], item) : item;
  }
  return merged;
}

// Items of the patch keep their order; each item that only the old list has goes before the first item of the patch that
// stood after it in the old list, or else to the end.
function mergeList(before, patch, key) {
  const patched = [];
  for (const item of patch) {
    const known = patched.find((other) => other.item[key] === item[key]);
    if (known !== undefined) {
      known.item = mergeValue(known.item, item);
      continue;
    }
    const place = before.findIndex((other) => other[key] === item[key]);
    patched.push({ place, item: mergeValue(place < 0 ? null : before[place], item) });
  }
  const places = new Set(patched.map(({ place }) => place));
  const untouched = [...before.keys()].filter((place) => !places.has(place));
  const merged = [];
  for (const { place, item } of patched) {
    while (untouched.length > 0 && untouched[0] < place) merged.push(before[untouched.shift()]);
    merged.push(item);
  }
  return [...merged, ...untouched.map((place) => before[place])];
}

// Drops what the typed API would not serialize: nulls, empty texts, lists and objects, and outside the security
// context also false and 0.
function withoutEmpty(value, keepZero) {
  if (value === null || value === '') return undefined;
  if ((value === false || value === 0) && !keepZero) return undefined;
  if (Array.isArray(value)) {
    return value.length === 0 ? undefined : value.map((item) => withoutEmpty(item, keepZero) ?? item);
  }
  if (!isObject(value)) return value;
  const kept = {};
  for (const [field, item] of Object.entries(value)) {
    const left = withoutEmpty(item, keepZero || WRITTEN_OUT.includes(field));
    if (left !== undefined) kept[field] = left;
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}
