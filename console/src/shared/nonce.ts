/**
 * Styles that our own code makes at run time carry the page's nonce, which the
 * Content-Security-Policy asks for. The component library has an option for it that leaves some
 * places out (scroll locks, the width of scrollbars), so it is done where every style is made.
 * Styles that come with markup do not pass here, and are refused as before.
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
