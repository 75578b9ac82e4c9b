/** A plain text field with line numbers and marks on lines with problems. Tab leaves the field, as it should. */

import { useRef } from "preact/hooks";
import type { PipelineProblem } from "../../api/types.ts";

interface EditorProps {
  text: string;
  change(text: string): void;
  problems: PipelineProblem[];
}

export function Editor({ text, change, problems }: EditorProps) {
  const gutter = useRef<HTMLOListElement>(null);
  const count = text.split("\n").length;
  const bad = new Set(problems.map((problem) => problem.line));
  return (
    <div class="editor">
      <ol ref={gutter} class="gutter" aria-hidden="true">
        {Array.from({ length: count }, (_, i) => (
          <li key={i} class={bad.has(i + 1) ? "bad-line" : ""}>
            {i + 1}
          </li>
        ))}
      </ol>
      <textarea
        aria-label="Pipeline file, TOML"
        aria-invalid={problems.length > 0}
        value={text}
        spellcheck={false}
        autocapitalize="off"
        autocomplete="off"
        wrap="off"
        onInput={(event) => change(event.currentTarget.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}
