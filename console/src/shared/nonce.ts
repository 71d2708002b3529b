/**
 * Gives styles that our code creates at run time the page's nonce, which the
 * Content-Security-Policy requires. The component library's own option misses some of them (scroll
 * locks, scrollbar widths), so the nonce is set wherever a style element is created. Styles in
 * markup do not come through here and stay refused.
 */
const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.nonce ?? "";
const create = document.createElement;

document.createElement = function made(
  this: Document,
  name: string,
  options?: ElementCreationOptions,
) {
  const element = create.call(this, name, options);
  if (element instanceof HTMLStyleElement) element.nonce = nonce;
  return element;
} as typeof document.createElement;
