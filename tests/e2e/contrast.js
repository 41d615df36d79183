// Text that stands out too little from what is behind it, as WCAG 2.2 counts it (1.4.3, level AA):
// 4.5 to 1, or 3 to 1 where it is large. What nobody can see, or use, does not count.
(() => {
  const parts = (text) => {
    const [r, g, b, a = 1] = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((one, i) => one * a + below[i] * (1 - a)).concat(1);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      layers.push(parts(getComputedStyle(one).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    if (layers.at(-1)[3] !== 1) layers.push([255, 255, 255, 1]);
    return layers.reduceRight((below, above) => over(above, below));
  };
  const saysSomething = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
    || (["INPUT", "SELECT"].includes(one.tagName) && (one.value || one.placeholder));
  const faults = [];
  let looked = 0;
  for (const one of document.body.querySelectorAll("*")) {
    if (!saysSomething(one) || !one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || one.disabled) continue;
    looked += 1;
    const style = getComputedStyle(one);
    const ground = behind(one);
    const inks = [style.color];
    if (one.placeholder && !one.value) inks[0] = getComputedStyle(one, "::placeholder").color;
    const [a, b] = [light(over(parts(inks[0]), ground)), light(ground)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) faults.push(`${one.tagName} ${one.id}: ${ratio.toFixed(2)} ${inks[0]} on ${ground}`);
  }
  return looked ? faults : ["nothing to read"];
})()
