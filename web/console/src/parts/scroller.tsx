// A row that scrolls sideways where it has no room, and shows at which edge there is more.
import type { ComponentChildren, Ref } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

interface Row {
  class?: string;
  role?: 'group' | 'toolbar' | 'tablist';
  label: string;
  children: ComponentChildren;
  onKeyDown?: (event: KeyboardEvent) => void;
  as?: 'div' | 'nav';
}

export function Scroller({ class: name = '', role, label, children, onKeyDown, as = 'div' }: Row) {
  const row = useRef<HTMLElement>(null);
  const mark = () => {
    const { scrollLeft, scrollWidth, clientWidth } = row.current!;
    // A pixel is what rounding makes of nothing.
    row.current!.dataset.more = [
      scrollLeft > 1 && 'start',
      scrollLeft + clientWidth < scrollWidth - 1 && 'end',
    ]
      .filter(Boolean)
      .join(' ');
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(mark);
    observer.observe(row.current!);
    return () => observer.disconnect();
  }, []);
  // What is in it may have changed.
  useLayoutEffect(mark);
  const Element = as as 'div';
  return (
    <Element
      ref={row as Ref<HTMLDivElement>}
      class={`scroller ${name}`}
      role={role}
      aria-label={label}
      onScroll={mark}
      onKeyDown={onKeyDown}
    >
      {children}
    </Element>
  );
}
