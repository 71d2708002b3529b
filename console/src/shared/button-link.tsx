/** A link that looks like a button. It is one element, for keyboard and screen reader. */
import { Button, type ButtonProps } from "antd";
import type { MouseEvent } from "react";
import { useHref, useLinkClickHandler } from "react-router";

export function ButtonLink({
  to,
  ...props
}: { to: string } & Omit<ButtonProps, "href" | "onClick">) {
  const href = useHref(to);
  const go = useLinkClickHandler(to);
  return (
    <Button
      {...props}
      href={href}
      onClick={(event) => go(event as unknown as MouseEvent<HTMLAnchorElement>)}
    />
  );
}
