/** What is wider or longer than its place scrolls there, and not the page: by keyboard too. */
import type { ReactNode } from "react";

export function Scroll({ label, height, children }: { label: string; height?: number; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is to be scrolled by keyboard too
    <section className="scroll" style={height === undefined ? undefined : { maxHeight: height }} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
