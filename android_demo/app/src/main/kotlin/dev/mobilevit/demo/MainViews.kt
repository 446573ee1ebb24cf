package dev.mobilevit.demo

import android.app.Activity
import android.graphics.Bitmap
import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.TextView
import android.widget.Toolbar
import dev.mobilevit.demo.core.Answer

/** Puts a [ScreenState] on the main screen's views. */
class MainViews(private val activity: Activity, private val onSample: (String) -> Unit) {
    private val toolbar: Toolbar = activity.findViewById(R.id.toolbar)
    private val photo: ImageView = activity.findViewById(R.id.photo)
    private val hint: View = activity.findViewById(R.id.hint)
    private val busy: View = activity.findViewById(R.id.busy)
    private val problem: TextView = activity.findViewById(R.id.problem)
    private val result: View = activity.findViewById(R.id.result)
    private val headline: TextView = activity.findViewById(R.id.headline)
    private val detail: TextView = activity.findViewById(R.id.detail)
    private val guesses = Guesses(activity.findViewById(R.id.guesses))
    private val seen: SeenFrame = activity.findViewById(R.id.seen)
    private val aspect: AspectLayout = activity.findViewById(R.id.aspect)
    private val times: TextView = activity.findViewById(R.id.times)
    private val samples: ViewGroup = activity.findViewById(R.id.samples)
    private var shown: Answer? = null

    fun show(state: ScreenState) {
        toolbar.subtitle = state.modelName ?: activity.getString(R.string.loading_model)
        photo.setImageBitmap(state.photo)
        state.photo?.let { aspect.aspect = it.width.toFloat() / it.height }
        aspect.visible(state.photo != null)
        seen.seen = state.seen
        hint.visible(state.photo == null && !state.busy)
        busy.visible(state.busy)
        problem.visible(state.problem != null)
        state.problem?.let { problem.setText(it.text) }
        result.visible(state.answer != null)
        state.answer?.takeIf { it !== shown }?.let(::showAnswer)
        shown = state.answer
        if (samples.childCount != state.samples.size) showSamples(state.samples)
    }

    private fun showAnswer(answer: Answer) {
        val best = answer.guesses.first()
        headline.text = if (answer.unsure) activity.getString(rejected(answer)) else best.label
        detail.visible(answer.unsure)
        if (answer.unsure) detail.text = activity.getString(R.string.unsure_detail, best.label)
        times.text = activity.getString(R.string.times, answer.inferenceMs, answer.preprocessMs)
        guesses.show(answer)
    }

    private fun showSamples(pictures: Map<String, Bitmap>) {
        samples.removeAllViews()
        for ((name, picture) in pictures) {
            val view = activity.layoutInflater.inflate(R.layout.sample, samples, false) as ImageView
            view.setImageBitmap(picture)
            view.contentDescription = activity.getString(R.string.sample_spoken, title(name))
            view.setOnClickListener { onSample(name) }
            samples.addView(view)
        }
    }

    private fun title(file: String): String = file.substringBeforeLast('.').replace('_', ' ').replace('-', ' ')
}
