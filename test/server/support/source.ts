/** Splits source text, for the tests that check it. */

/**
 * The code without its comments and regular expressions, each text replaced by its index in
 * `texts`, so that no text is taken for code. The content of a template's ${…} is code, the pieces
 * around it are texts after a `+`; templates nest. `comments` keep their marks, and have blanks for
 * the columns before them.
 */
export function codeOf(source: string): { code: string; texts: string[]; comments: string[] } {
  const texts: string[] = [];
  const comments: string[] = [];
  let [code, at] = ["", 0];
  const skip = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(source)?.[0];
    if (match !== undefined) at += match.length;
    return match;
  };
  function template(): void {
    at += 1;
    let [start, plain] = [at, true];
    const piece = () => `"${texts.push(source.slice(start, at)) - 1}"`;
    while (at < source.length && source[at] !== "`") {
      if (source[at] === "\\") at += 2;
      else if (source.startsWith("${", at)) {
        plain = false;
        code += `+${piece()}(`;
        at += 2;
        block();
        start = at;
        code += ")";
      } else at += 1;
    }
    code += plain ? piece() : `+${piece()}`;
    at += 1;
  }
  /** Reads up to the closing brace, or the end. */
  function block(): void {
    for (let depth = 0; at < source.length; ) {
      const c = source[at] as string;
      const comment = skip(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/y);
      if (comment !== undefined) {
        const start = at - comment.length;
        const line = source.slice(source.lastIndexOf("\n", start - 1) + 1, start);
        comments.push(line.replaceAll(/\S/g, " ") + comment);
        code += " ";
      } else if (c === "`") template();
      else if (c === '"' || c === "'") {
        const text =
          skip(c === '"' ? /"(?:\\.|[^"\\])*"/y : /'(?:\\.|[^'\\])*'/y) ?? source.slice(at++, at);
        code += `"${texts.push(text.slice(1, -1)) - 1}"`;
      } else if (
        c === "/" &&
        /(?:^|[=(,:[!&|?{};+\n]|=>|\breturn)\s*$/.test(code.slice(-20)) &&
        skip(/\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/\w*/y)
      )
        code += " 0 ";
      else {
        at += 1;
        if (c === "}" && depth === 0) return;
        depth += c === "{" ? 1 : c === "}" ? -1 : 0;
        code += c;
      }
    }
  }
  while (at < source.length) block();
  return { code, texts, comments };
}
