/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lightiov

#if !defined(LIGHTIOV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LIGHTIOV_TRACE_H

#include <linux/tracepoint.h>
#include <linux/uuid.h>

#include "hw_queue.h"
#include "mdev.h"

DECLARE_EVENT_CLASS(liov_queue,
		    TP_PROTO(const struct liov_hw_queue *queue),
		    TP_ARGS(queue),
		    TP_STRUCT__entry(__array(char, mdev, UUID_STRING_LEN + 1)
				     __field(u16, index)
				     __field(u16, qid)
				     __field(int, vector)
				     __field(u32, entries)
				     __field(u32, epoch)),
		    TP_fast_assign(strscpy(__entry->mdev, dev_name(queue->owner),
					   sizeof(__entry->mdev));
				   __entry->index = queue->index;
				   __entry->qid = queue->qid;
				   __entry->vector = queue->vector;
				   __entry->entries = queue->entries;
				   __entry->epoch = queue->epoch;),
		    TP_printk("mdev=%s index=%u qid=%u vector=%d entries=%u epoch=%u",
			      __entry->mdev, __entry->index,
			      __entry->qid, __entry->vector,
			      __entry->entries, __entry->epoch)
);

DEFINE_EVENT(liov_queue, liov_queue_create,
	     TP_PROTO(const struct liov_hw_queue *queue),
	     TP_ARGS(queue)
);

DEFINE_EVENT(liov_queue, liov_queue_delete,
	     TP_PROTO(const struct liov_hw_queue *queue),
	     TP_ARGS(queue)
);

DECLARE_EVENT_CLASS(liov_window,
		    TP_PROTO(const struct liov_memory *memory),
		    TP_ARGS(memory),
		    TP_STRUCT__entry(__array(char, mdev, UUID_STRING_LEN + 1)
				     __field(u64, base)
				     __field(u64, size)),
		    TP_fast_assign(strscpy(__entry->mdev, dev_name(memory->vdev->dev),
					   sizeof(__entry->mdev));
				   __entry->base = memory->window;
				   __entry->size = memory->window_size;),
		    TP_printk("mdev=%s base=0x%llx size=0x%llx",
			      __entry->mdev,
			      __entry->base, __entry->size)
);

DEFINE_EVENT(liov_window, liov_window_open,
	     TP_PROTO(const struct liov_memory *memory),
	     TP_ARGS(memory)
);

DEFINE_EVENT(liov_window, liov_window_close,
	     TP_PROTO(const struct liov_memory *memory),
	     TP_ARGS(memory)
);

DECLARE_EVENT_CLASS(liov_extent,
		    TP_PROTO(const struct liov_extent *extent),
		    TP_ARGS(extent),
		    TP_STRUCT__entry(__array(char, mdev, UUID_STRING_LEN + 1)
				     __array(u8, id, UUID_SIZE)
				     __field(unsigned int, slot)
				     __field(u32, nsid)
				     __field(u64, first)
				     __field(u64, count)
				     __field(bool, asked)),
		    TP_fast_assign(strscpy(__entry->mdev, dev_name(extent->mdev->vdev.dev),
					   sizeof(__entry->mdev));
				   export_uuid(__entry->id, &extent->id);
				   __entry->slot = extent->slot;
				   __entry->nsid = extent->nsid;
				   __entry->first = extent->lbas.first;
				   __entry->count = extent->lbas.count;
				   __entry->asked = extent->asked;),
		    TP_printk("mdev=%s slot=%u id=%pUb nsid=%u first=%llu count=%llu asked=%d",
			      __entry->mdev, __entry->slot, __entry->id,
			      __entry->nsid, __entry->first,
			      __entry->count, __entry->asked)
);

DEFINE_EVENT(liov_extent, liov_extent_add,
	     TP_PROTO(const struct liov_extent *extent),
	     TP_ARGS(extent)
);

DEFINE_EVENT(liov_extent, liov_extent_grow,
	     TP_PROTO(const struct liov_extent *extent),
	     TP_ARGS(extent)
);

DEFINE_EVENT(liov_extent, liov_extent_ask,
	     TP_PROTO(const struct liov_extent *extent),
	     TP_ARGS(extent)
);

DEFINE_EVENT(liov_extent, liov_extent_free,
	     TP_PROTO(const struct liov_extent *extent),
	     TP_ARGS(extent)
);

TRACE_EVENT(liov_mailbox,
	    TP_PROTO(const struct liov_mdev *mdev, u32 command, u32 result),
	    TP_ARGS(mdev, command, result),
	    TP_STRUCT__entry(__array(char, mdev, UUID_STRING_LEN + 1)
			     __field(u32, command)
			     __field(u32, result)),
	    TP_fast_assign(strscpy(__entry->mdev, dev_name(mdev->vdev.dev),
				   sizeof(__entry->mdev));
			   __entry->command = command;
			   __entry->result = result;),
	    TP_printk("mdev=%s command=%u result=%u",
		      __entry->mdev,
		      __entry->command, __entry->result)
);

TRACE_EVENT(liov_ctrl_reset,
	    TP_PROTO(const struct liov_ctrl *ctrl),
	    TP_ARGS(ctrl),
	    TP_STRUCT__entry(__array(char, name, 16)
			     __field(u32, epoch)
			     __field(bool, live)),
	    TP_fast_assign(strscpy(__entry->name, dev_name(ctrl->dev),
				   sizeof(__entry->name));
			   __entry->epoch = ctrl->epoch;
			   __entry->live = ctrl->state == LIOV_CTRL_LIVE;),
	    TP_printk("controller=%s epoch=%u live=%d",
		      __entry->name,
		      __entry->epoch, __entry->live)
);

#endif /* LIGHTIOV_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
