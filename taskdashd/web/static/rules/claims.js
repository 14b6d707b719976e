// The way of a task: made by tools/declare from taskdashd/families/people/rules.py.

/** The state that a status stands for; people do not take a task of any other status. */
export const STATES = {
  待领取: '待领取',
  pending: '待领取',
  已领取: '已领取',
  编辑中: '编辑中',
  待审核: '待审核',
  review: '待审核',
};

/**
 * From which state (`at`) an act leads to which, and who may do it. With `had`, only where somebody
 * has the task (true) or nobody has it (false).
 */
export const STEPS = [
  { act: 'claim', at: '待领取', to: '已领取', who: 'anybody it is meant for' },
  { act: 'begin', at: '已领取', to: '编辑中', who: 'holder' },
  { act: 'submit', at: '已领取', to: '待审核', who: 'holder' },
  { act: 'submit', at: '编辑中', to: '待审核', who: 'holder' },
  { act: 'approve', at: '待审核', to: 'finish', who: 'checker' },
  { act: 'reject', at: '待审核', to: '编辑中', who: 'checker', had: true },
  { act: 'reject', at: '待审核', to: '待领取', who: 'checker', had: false },
  { act: 'release', at: '已领取', to: '待领取', who: 'holder or lead' },
  { act: 'release', at: '编辑中', to: '待领取', who: 'holder or lead' },
  { act: 'expire', at: '已领取', to: '待领取', who: 'daemon' },
  { act: 'expire', at: '编辑中', to: '待领取', who: 'daemon' },
  { act: 'assign', at: '待领取', to: '已领取', who: 'lead' },
  { act: 'assign', at: '已领取', to: '已领取', who: 'lead' },
  { act: 'assign', at: '编辑中', to: '已领取', who: 'lead' },
  { act: 'hand over', at: '已领取', to: '已领取', who: 'lead or giver' },
  { act: 'hand over', at: '编辑中', to: '编辑中', who: 'lead or giver' },
  { act: 'hand over', at: '待审核', to: '待审核', who: 'lead or giver' },
];
