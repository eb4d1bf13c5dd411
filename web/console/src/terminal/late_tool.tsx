// A tool of a terminal whose code comes with the views, later: it is not needed at the first sight.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import type { Desk } from '../state/desks.ts';
import { late } from '../state/late.ts';

export function LateTool({ name, desk }: { name: 'FilePanel' | 'MacroEditor' | 'MediaPanel'; desk: Desk }) {
  const [Tool, setTool] = useState<ComponentType<{ desk: Desk }> | null>(null);
  useEffect(() => {
    void late('later').then((parts) => setTool(() => parts[name]));
  }, [name]);
  return Tool ? (
    <Tool desk={desk} />
  ) : (
    <p class="hint" role="status">
      {t('loading')}
    </p>
  );
}
