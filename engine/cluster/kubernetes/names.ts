/**
 * What Kubernetes takes for names and amounts: it would refuse a whole manifest for one that is wrong.
 *
 * Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/names
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
 */

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = new RegExp(`^${LABEL}(\\.${LABEL})*$`);

/** A DNS-1123 label, as a namespace's name. */
export const isLabel = (text: string): boolean =>
  text.length <= 63 && new RegExp(`^${LABEL}$`).test(text);

/** A DNS-1123 subdomain, as a claim's name. */
export const isSubdomain = (text: string): boolean => text.length <= 253 && SUBDOMAIN.test(text);

const isWord = (text: string): boolean =>
  text.length <= 63 && /^[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$/.test(text);

/** "gpu", "nvidia.com/gpu.product" */
export function isQualified(text: string): boolean {
  const [name, domain] = text.split("/").reverse();
  return text.split("/").length <= 2 && isWord(name) &&
    (domain === undefined || isSubdomain(domain));
}

/** A node's label: its value may be empty. */
export const isNodeLabel = ([name, value]: readonly [string, string]): boolean =>
  isQualified(name) && (value === "" || isWord(value));

/** Resources that Kubernetes has itself; all others have a domain before their names. */
const OWN = /^(cpu|memory|ephemeral-storage|hugepages-[\w]+)$/;
const QUANTITY = /^\+?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/;

/** "memory" of "16Gi"; of a device, as "nvidia.com/gpu", a whole number. */
export function isLimit([name, amount]: readonly [string, string]): boolean {
  if (OWN.test(name)) return QUANTITY.test(amount);
  return name.includes("/") && isQualified(name) && /^\d+$/.test(amount);
}
