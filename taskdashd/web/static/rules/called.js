// What people call each status: made by tools/declare from taskdashd/domain/search.py.

/** @type {Record<string, readonly string[]>} */
export const CALLED = {
  待领取: ['to claim', '待领取'],
  pending: ['pending', 'to claim', '待领取'],
  已领取: ['claimed', 'claimed or in work', '已领取', '处理中'],
  编辑中: ['in work', 'claimed or in work', '编辑中', '处理中'],
  待审核: ['to check', '待审核'],
  review: ['review', 'to check', '待审核'],
  草稿: ['not ready yet', '草稿', '未就绪'],
  待批准: ['not ready yet', '待批准', '未就绪'],
  待触发: ['not ready yet', '待触发', '未就绪'],
  待执行: ['not ready yet', '待执行', '未就绪'],
  finish: ['finish', 'finished', '已完成'],
  finished: ['finished', '已完成'],
  failed: ['failed', '失败'],
  cancelled: ['cancelled', '已取消'],
  shutdown: ['shutdown', 'failed or lost', '已掉线'],
  live: ['running', '运行中'],
};
