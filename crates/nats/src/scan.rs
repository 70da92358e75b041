//! All messages of a cluster, one stream after the other, for backups.

use tidings_engine::EngineError;
use tidings_wire::{Epoch, Message};
use tokio::runtime::Runtime;

use crate::api::{Api, ApiError, Range};
use crate::config::NatsConfig;
use crate::connect::connect;
use crate::engine::{layout, runtime};
use crate::error::NatsError;
use crate::layout::Layout;

/// How many messages a page has at most, and how many bytes.
const PAGE_MESSAGES: usize = 500;
const PAGE_BYTES: usize = 1 << 20;

/// Reads all messages that were there when it began, and are there still, each stream in its order.
#[derive(Debug)]
pub struct Scan {
    runtime: Runtime,
    api: Api,
    layout: Layout,
    /// Of each log, where it began and ended.
    bounds: Vec<(u64, u64)>,
    epochs: Vec<Epoch>,
    log: usize,
    next: u64,
}

impl Scan {
    /// Begins. Nothing is made or changed. Blocks for as long as NATS takes to answer; not to be called inside a runtime.
    ///
    /// # Errors
    ///
    /// As [`Nats::open`](crate::Nats::open), and where a stream is not there.
    pub fn open(config: &NatsConfig) -> Result<Self, NatsError> {
        let layout = layout(config)?;
        let runtime = runtime()?;
        let (api, bounds, epochs) = runtime.block_on(async {
            let (client, _) = connect(config, Default::default()).await?;
            let api = Api::new(client, config.domain.as_deref());
            let (mut bounds, mut epochs) = (Vec::new(), Vec::new());
            for place in layout.logs() {
                let extent = api.extent(&place.stream).await;
                let extent = extent.map_err(|error| NatsError::stream(&place.stream, &error))?;
                bounds.push((extent.first, extent.last));
                let stranger = || NatsError::stream(&place.stream, &"it was not made by Tidings");
                epochs.push(extent.epoch.ok_or_else(stranger)?);
            }
            Ok::<_, NatsError>((api, bounds, epochs))
        })?;
        let next = bounds.first().map_or(1, |(first, _)| *first);
        Ok(Self {
            runtime,
            api,
            layout,
            bounds,
            epochs,
            log: 0,
            next,
        })
    }

    /// The identity of each log.
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// How much of it is read, from 0 to 1.
    pub fn done(&self) -> f64 {
        let all: u64 = self
            .bounds
            .iter()
            .map(|(first, last)| (last + 1).saturating_sub(*first))
            .sum();
        let before: u64 = self.bounds[..self.log]
            .iter()
            .map(|(first, last)| (last + 1).saturating_sub(*first))
            .sum();
        let here = self
            .bounds
            .get(self.log)
            .map_or(0, |(first, _)| self.next.saturating_sub(*first));
        match all {
            0 => 1.0,
            _ => (before + here) as f64 / all as f64,
        }
    }

    /// The next messages; none: it is at its end. Blocks.
    ///
    /// # Errors
    ///
    /// While NATS does not answer.
    pub fn next_page(&mut self) -> Result<Vec<Message>, EngineError> {
        while let Some((_, last)) = self.bounds.get(self.log) {
            if self.next > *last {
                self.log += 1;
                self.next = self.bounds.get(self.log).map_or(1, |(first, _)| *first);
                continue;
            }
            let place = &self.layout.logs()[self.log];
            let subject = place.all_stored();
            let range = Range {
                from: self.next,
                subject: &subject,
                count: PAGE_MESSAGES,
                bytes: PAGE_BYTES,
            };
            let read = self
                .runtime
                .block_on(self.api.read_on(&place.stream, range));
            let (read, _) = read.map_err(ApiError::into_engine_error)?;
            self.next = read.last().map_or(last + 1, |it| it.seq + 1);
            let within = read.into_iter().filter(|it| it.seq <= *last);
            let messages = within.filter_map(|it| {
                let record = it.record?;
                Some(record.into_message(it.seq))
            });
            let page: Vec<_> = messages.collect();
            if !page.is_empty() {
                return Ok(page);
            }
        }
        Ok(Vec::new())
    }
}
